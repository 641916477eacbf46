import pytest

from core.errors import BadParams
from tasks.state.prices import PriceSettings, prices
from tasks.state.workspace import Workspace


def test_without_a_file_there_is_no_price(workspace: Workspace) -> None:
    assert prices(workspace) == PriceSettings(hour=None, currency="USD")


def test_the_file_sets_price_and_currency(workspace: Workspace) -> None:
    workspace.prices.write_text("hour: 1.2\ncurrency: EUR\n")
    assert prices(workspace) == PriceSettings(hour=1.2, currency="EUR")


@pytest.mark.parametrize("text", ["hours: 1.2", "hour: 0", "hour: free"])
def test_what_is_no_price_is_refused(workspace: Workspace, text: str) -> None:
    workspace.prices.write_text(text)
    with pytest.raises(BadParams, match="hour"):
        prices(workspace)
