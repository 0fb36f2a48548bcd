-- Version 3 (PRAGMA user_version). A change of this file takes a new version and a migration (database.py). Several processes may
-- create the database at once, so every statement can be repeated.

-- Each store that is opened takes the next number, so that no worker's number is ever used again.
-- `rules` goes up with every change of a limit, a time zone or a freeze, so that each process sees that it must read them again.
CREATE TABLE IF NOT EXISTS counter (workers INTEGER NOT NULL, rules INTEGER NOT NULL DEFAULT 0);
INSERT INTO counter (workers) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);

-- `run` is the run's number: that of the worker which began it in the upper bits, a count in the lower 32. It stands for the
-- id of 30 characters in the tables that grow fast: 4,400 instructions less for each append.
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    user TEXT NOT NULL,
    session TEXT NOT NULL,
    question TEXT NOT NULL,
    started_at REAL NOT NULL,
    finished_at REAL NOT NULL,
    stop_reason TEXT NOT NULL,
    steps INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    nano INTEGER NOT NULL,
    output TEXT NOT NULL,
    tenant TEXT NOT NULL DEFAULT '',
    parent TEXT NOT NULL DEFAULT '',
    model_calls INTEGER NOT NULL DEFAULT 0,
    tool_calls INTEGER NOT NULL DEFAULT 0,
    usage TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS runs_by_age ON runs (started_at);
CREATE INDEX IF NOT EXISTS runs_by_user ON runs (user, started_at);
DROP INDEX IF EXISTS runs_by_session; -- of version 1
CREATE INDEX IF NOT EXISTS runs_by_conversation ON runs (session, user, started_at) WHERE session <> '';
CREATE INDEX IF NOT EXISTS runs_by_tenant ON runs (tenant, started_at) WHERE tenant <> '';

-- In the order of writing and not clustered by run: a commit of 64 runs fills a dozen pages instead of touching 64 (17,000
-- instructions for each append; 42,000 WITHOUT ROWID under the key (run_id, seq)).
-- `run` is NOT NULL because the statement that inserts takes it from the lease: no lease, no number, no record.
CREATE TABLE IF NOT EXISTS records (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (run, seq)
);

-- One for each unfinished run, until its worker closes the store in good order.
CREATE TABLE IF NOT EXISTS leases (
    run INTEGER PRIMARY KEY,
    worker INTEGER NOT NULL,
    expires_at REAL NOT NULL
);

-- `head` is the last run that ended, `live` the one that began after it: under way as long as it has a lease, lost after that.
CREATE TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    session TEXT NOT NULL,
    created_at REAL NOT NULL,
    used_at REAL NOT NULL,
    turns INTEGER NOT NULL,
    head TEXT NOT NULL,
    live TEXT NOT NULL,
    UNIQUE (tenant, user, session)
);
CREATE INDEX IF NOT EXISTS sessions_by_use ON sessions (used_at);

-- Limits that were set with `surefoot budget set` or through the library; those of the settings file are not here.
CREATE TABLE IF NOT EXISTS rules (
    account TEXT NOT NULL,
    period TEXT NOT NULL,
    limits TEXT NOT NULL, -- JSON: by name; nano-dollars for usd
    PRIMARY KEY (account, period)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS zones (tenant TEXT PRIMARY KEY, zone TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freezes (
    account TEXT PRIMARY KEY,
    at REAL NOT NULL,
    tokens INTEGER NOT NULL,
    nano INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    at REAL NOT NULL,
    account TEXT NOT NULL,
    period TEXT NOT NULL,
    before TEXT, -- JSON as in rules, NULL for nothing
    after TEXT,
    by TEXT NOT NULL
);

-- One row for an account and period from its first call in that window on. `cap_*` is the limit under which the last claim was
-- admitted: the checks are the last line of defence against an error of the program. They do not stop what is settled after a
-- limit was lowered, for a cap is lowered only by a claim that fits.
CREATE TABLE IF NOT EXISTS windows (
    window INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    period TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    spent_tokens INTEGER NOT NULL CHECK (spent_tokens >= 0),
    reserved_tokens INTEGER NOT NULL CHECK (reserved_tokens >= 0),
    overrun_tokens INTEGER NOT NULL CHECK (overrun_tokens >= 0),
    cap_tokens INTEGER NOT NULL,
    spent_nano INTEGER NOT NULL CHECK (spent_nano >= 0),
    reserved_nano INTEGER NOT NULL CHECK (reserved_nano >= 0),
    overrun_nano INTEGER NOT NULL CHECK (overrun_nano >= 0),
    cap_nano INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    cap_steps INTEGER NOT NULL,
    model_calls INTEGER NOT NULL,
    cap_model_calls INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    cap_tool_calls INTEGER NOT NULL,
    UNIQUE (account, period, starts_at),
    CHECK (spent_tokens + reserved_tokens <= cap_tokens + overrun_tokens),
    CHECK (spent_nano + reserved_nano <= cap_nano + overrun_nano),
    CHECK (steps <= cap_steps),
    CHECK (model_calls <= cap_model_calls),
    CHECK (tool_calls <= cap_tool_calls)
);

-- Holds of calls in flight, and those charged in full because nobody knows what became of the call (`unknown`). The number of a
-- hold has that of its worker in the upper bits. A hold that is settled by what the provider said is deleted: the journal has it.
CREATE TABLE IF NOT EXISTS holds (
    hold INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens >= 0),
    nano INTEGER NOT NULL CHECK (nano >= 0),
    at REAL NOT NULL,
    windows TEXT NOT NULL, -- numbers of the windows that it is booked in
    account TEXT NOT NULL, -- the one nearest to the run
    prices TEXT NOT NULL,
    unknown INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS holds_unknown ON holds (run, number) WHERE unknown = 1;
