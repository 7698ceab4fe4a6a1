"""The campaign, and the report of it:  python src/report.py [--run [PART …]]"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli import tool
    from reproduction.campaign import Report, report
    from reproduction.reporting import build

    tool.run("report.py", Report, lambda options: report(options, build))
