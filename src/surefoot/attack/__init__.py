"""Attacks on agents with models that do whatever they read: AgentDojo's, and made for a user's own agent."""
