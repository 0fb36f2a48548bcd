"""Which tool calls may run: where each value of a call came from, and what may decide whom a call affects."""
