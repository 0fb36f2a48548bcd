from __future__ import annotations

import pytest

for module in ("conformance", "ledger_conformance", "ledger_machine", "session_conformance"):
    pytest.register_assert_rewrite(f"tests.unit.store.{module}")
