-- Times are seconds since the epoch, UTC. JSON columns hold strict JSON: NaN and Infinity are strings.
CREATE TABLE IF NOT EXISTS projects (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    created_at REAL NOT NULL,
    UNIQUE (entity, name)
);
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    display_name TEXT,
    description TEXT,
    notes TEXT,
    state TEXT NOT NULL,
    exitcode INTEGER,
    group_name TEXT,
    job_type TEXT,
    commit_sha TEXT,
    host TEXT,
    program TEXT,
    repo TEXT,
    sweep TEXT,
    agent_id INTEGER,
    tags TEXT NOT NULL DEFAULT '[]',
    config TEXT NOT NULL DEFAULT '{}',
    summary TEXT NOT NULL DEFAULT '{}',
    system TEXT NOT NULL DEFAULT '{}',
    history_keys TEXT,
    created_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    history_lines INTEGER NOT NULL DEFAULT 0,
    event_lines INTEGER NOT NULL DEFAULT 0,
    log_lines INTEGER NOT NULL DEFAULT 0,
    -- A sweep's run exists from the moment an agent is told to start it; a process has joined it when started = 1.
    started INTEGER NOT NULL DEFAULT 1,
    stop_requested INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project_id, name)
);
CREATE INDEX IF NOT EXISTS runs_created ON runs (project_id, created_at);
CREATE INDEX IF NOT EXISTS runs_heartbeat ON runs (project_id, heartbeat_at);
CREATE INDEX IF NOT EXISTS runs_state ON runs (project_id, state);
CREATE INDEX IF NOT EXISTS runs_sweep ON runs (project_id, sweep);
CREATE INDEX IF NOT EXISTS runs_live ON runs (heartbeat_at) WHERE state IN ('running', 'preempting');
CREATE TABLE IF NOT EXISTS lines (
    run_id INTEGER NOT NULL,
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    step INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, stream, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    mimetype TEXT NOT NULL,
    md5 TEXT NOT NULL,
    size INTEGER NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (run_id, name)
);
CREATE TABLE IF NOT EXISTS sweeps (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    display_name TEXT,
    description TEXT,
    config TEXT NOT NULL,
    state TEXT NOT NULL,
    issued INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (project_id, name)
);
CREATE TABLE IF NOT EXISTS agents (
    id INTEGER PRIMARY KEY,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id),
    name TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL
);
