"""The five source documents: experiments, campaign, verdicts, report. It uses jgen; jgen does not know it."""
