-- Version 1 (PRAGMA user_version). A change of this file takes a new version and a migration. Several processes may create the
-- database at once, so every statement can be repeated.

-- Each store that is opened takes the next number, so that no worker's number is ever used again.
CREATE TABLE IF NOT EXISTS counter (workers INTEGER NOT NULL);
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
    output TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_age ON runs (started_at);
CREATE INDEX IF NOT EXISTS runs_by_user ON runs (user, started_at);
CREATE INDEX IF NOT EXISTS runs_by_session ON runs (session, started_at) WHERE session <> '';

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
