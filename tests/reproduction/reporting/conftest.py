"""An output folder with nothing in it yet, as the report sees it."""

import pytest


@pytest.fixture
def results(tmp_path):
    from reproduction.reporting.results import Results

    return Results(tmp_path)
