"""The campaign, and the report of it:  python src/report.py [--run [PART …]]"""

from jgen.cli import tool
from reproduction.campaign import Report, report
from reproduction.reporting import build

if __name__ == "__main__":
    tool.run("report.py", Report, lambda options: report(options, build))
