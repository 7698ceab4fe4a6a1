"""The report: report/README.md and report/index.html, built from results/ alone."""
