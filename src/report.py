"""The campaign, and the report of it:  python src/report.py [--run [PART …]]"""

from jgen import tool
from jgen.campaign import Report, report
from jgen.reporting import build

if __name__ == "__main__":
    tool.run("report.py", Report, lambda options: report(options, build))
