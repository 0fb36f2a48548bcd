"""`find_protocol`."""

import pytest

from surefoot.errors import ConfigError
from surefoot.protocol import find_protocol
from surefoot.types import ToolSpec

TOOL = ToolSpec("now", "The time.", {"type": "object", "properties": {}})


@pytest.mark.parametrize(("name", "native_tools"), [("native", True), ("json", False), ("text", False)])
def test_each_protocol_is_found_by_its_name(name, native_tools):
    protocol = find_protocol(name)("Be brief.", (TOOL,), None)
    assert protocol.name == name
    assert protocol.native_tools is native_tools
    assert "Be brief." in protocol.system()


@pytest.mark.parametrize("name", ["auto", "", "Native", "xml"])
def test_another_name_is_refused(name):
    with pytest.raises(ConfigError, match=f"no protocol '{name}'; choose 'native', 'json', 'text' or 'auto'"):
        find_protocol(name)
