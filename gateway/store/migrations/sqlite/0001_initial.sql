-- The SQLite store's first shape.
--
-- Times are integers: microseconds since 1970-01-01T00:00:00Z. What comes out of payloads is BLOB (UTF-8, lone
-- surrogates passed through), so that no byte a sender can produce is refused. States are words, for those who look
-- into the file with the sqlite3 shell.

CREATE TABLE rules_versions (
    version   TEXT PRIMARY KEY,
    loaded_at INTEGER NOT NULL,
    revision  TEXT,
    files     BLOB NOT NULL                 -- JSON: {path: text}
) WITHOUT ROWID;

-- Which version was the served one, and what met it: a row for each of its rules, and one with rule '' for the webhooks
-- of a source. Counted in the transaction that writes the webhooks.
CREATE TABLE rules_served (
    seq     INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER                         -- NULL: no other version has taken over
);
CREATE INDEX rules_served_by_version ON rules_served (version, seq);
CREATE UNIQUE INDEX rules_served_now ON rules_served (until IS NULL) WHERE until IS NULL;
CREATE TABLE rule_counts (
    version TEXT NOT NULL,
    source  TEXT NOT NULL,
    rule    TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (version, source, rule)
) WITHOUT ROWID;

CREATE TABLE webhooks (
    seq           INTEGER PRIMARY KEY,      -- order of receipt: lists and their cursors go by it
    id            TEXT NOT NULL UNIQUE,     -- ordered by time, so that this index grows at its end
    source        TEXT NOT NULL,
    received_at   INTEGER NOT NULL,
    method        TEXT NOT NULL,
    path          BLOB NOT NULL,
    query         BLOB NOT NULL,
    headers       BLOB NOT NULL,            -- JSON: [[name, value], ...]
    state         TEXT NOT NULL,
    errors        BLOB,                     -- JSON: [{rule, field, path, message, element}, ...]; NULL: none
    reason        BLOB,
    matched       BLOB NOT NULL,            -- JSON: [rule id, ...]
    dedup_key     BLOB,
    event_type    BLOB,
    rules_version TEXT NOT NULL,
    repeats       INTEGER NOT NULL,
    event_time    INTEGER,                  -- when it happened at the sender
    parsed        INTEGER NOT NULL,         -- 1: the body is the parsed value as JSON, not the sender's bytes
    batch_id      TEXT,                     -- the same for all elements of one request; NULL: it is no element
    body          BLOB NOT NULL
);

-- What people look for after a bad day. States that most webhooks have are listed by walking back from the newest.
CREATE INDEX webhooks_troubled ON webhooks (state, seq)
    WHERE state = 'untranslatable' OR state = 'unparseable' OR state = 'fetching';
CREATE INDEX webhooks_with_errors ON webhooks (seq) WHERE errors IS NOT NULL;

-- Prune walks each source from its oldest on.
CREATE INDEX webhooks_by_source ON webhooks (source, received_at);
CREATE INDEX webhooks_by_batch ON webhooks (batch_id) WHERE batch_id IS NOT NULL;

-- The whole body around the elements of a batch, once for all of them, where rules read it.
CREATE TABLE batches (
    id   TEXT PRIMARY KEY,                  -- webhooks.batch_id
    body BLOB NOT NULL
);

-- What thin webhooks point to, as far as it was fetched: traces and replays are computed from it.
CREATE TABLE fetched (
    webhook_id TEXT NOT NULL UNIQUE,
    since      INTEGER NOT NULL,
    due_at     INTEGER,                     -- the next try of a webhook that is fetching; NULL: now, or none
    fetches    BLOB NOT NULL                -- JSON: [{name, method, url, status, at, attempts, message, answer}, ...]
);

-- Requests that failed authentication. No webhooks: nothing but a release makes anything of them. The body stands last,
-- so that counting reads none of it.
CREATE TABLE quarantine (
    seq           INTEGER PRIMARY KEY,      -- order of writing: lists and their cursors go by it
    id            TEXT NOT NULL UNIQUE,
    source        TEXT NOT NULL,
    received_at   INTEGER NOT NULL,
    method        TEXT NOT NULL,
    path          BLOB NOT NULL,
    query         BLOB NOT NULL,
    headers       BLOB NOT NULL,            -- JSON: [[name, value], ...], credentials as keyed hashes
    reason        BLOB NOT NULL,
    cause         TEXT NOT NULL,
    findings      BLOB NOT NULL,            -- JSON: [text, ...]
    lacking       BLOB,                     -- why the body was not kept; NULL: it was
    client        TEXT NOT NULL,            -- the sender's address
    proxied       INTEGER NOT NULL,         -- 1: a declared proxy passed it on
    rules_version TEXT NOT NULL,
    size          INTEGER NOT NULL,         -- bytes
    body          BLOB NOT NULL
);
-- What the limits and the counts are made of, and nothing else is read for them.
CREATE INDEX quarantine_by_source ON quarantine (source, seq, received_at, size, cause);

-- Random keys that this store was given once: 'quarantine' for the keyed hashes of credentials.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    key  BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE dedup (
    source     TEXT NOT NULL,
    key        BLOB NOT NULL,
    webhook_id TEXT NOT NULL,
    expires_at INTEGER,                     -- NULL: for as long as it is kept. An expired key is overwritten.
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX dedup_until ON dedup (expires_at) WHERE expires_at IS NOT NULL;

-- The moving part of a command is small and its body lies elsewhere: claiming and recording rewrite the row, and rows
-- that share a page share the write.
CREATE TABLE commands (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of translation: the order of a customer's line
    id                TEXT NOT NULL UNIQUE,
    webhook_id        TEXT NOT NULL,
    source            TEXT NOT NULL,
    rule              TEXT NOT NULL,
    element           BLOB NOT NULL,
    command           TEXT NOT NULL,
    action            TEXT NOT NULL,
    destination       TEXT NOT NULL,
    user_id           BLOB NOT NULL,
    created_at        INTEGER NOT NULL,
    not_before        INTEGER,
    expires_at        INTEGER,
    after_id          TEXT,
    on_unknown        TEXT NOT NULL,
    priority          INTEGER NOT NULL,
    state             TEXT NOT NULL,
    reason            BLOB,
    attempts          INTEGER NOT NULL,
    due_at            INTEGER,
    intilery_event_id TEXT,
    finished_at       INTEGER,
    retried_at        INTEGER,              -- when a person last had it sent again
    terms             BLOB,                 -- JSON: {once, limit, quiet, name}; NULL: none
    head              INTEGER NOT NULL,     -- 1: at the head of its customer's line: pending, delivering or unknown
    blocked_by        TEXT,                 -- the identify, or the pause, that it still waits for; NULL: none
    lease             TEXT,                 -- who may record its result
    leased_until      INTEGER
);
CREATE TABLE bodies (
    command_seq INTEGER PRIMARY KEY,        -- commands.seq
    body        BLOB NOT NULL
);
CREATE INDEX commands_by_webhook ON commands (webhook_id, seq);

-- The customers' lines. The first index is the promise itself: never two at the head of one line.
CREATE UNIQUE INDEX line_head ON commands (destination, user_id) WHERE head = 1;
CREATE INDEX line_behind ON commands (destination, user_id, seq) WHERE state = 'pending' AND head = 0;

-- What may be claimed: only heads, so the length of the lines costs nothing; a queue for each priority, source and rule,
-- so they can take turns and be paused; by time in each, so what is due is found without a look at what is not.
CREATE INDEX claimable ON commands (destination, priority DESC, source, rule, due_at, seq)
    WHERE state = 'pending' AND head = 1;
CREATE INDEX waiting_for_time ON commands (destination, due_at) WHERE state = 'waiting' AND blocked_by IS NULL;
CREATE INDEX waiting_for_identify ON commands (blocked_by, destination) WHERE blocked_by IS NOT NULL;
CREATE INDEX in_flight ON commands (destination, leased_until) WHERE state = 'delivering';
CREATE INDEX lookups ON commands (destination, due_at) WHERE state = 'unknown';
CREATE INDEX held_for_a_person ON commands (destination) WHERE state = 'held';
CREATE INDEX commands_troubled ON commands (state, seq) WHERE state = 'failed' OR state = 'held' OR state = 'expired';

-- What rules say of how often. A once key belongs to the command that has it; a name to the last that took it; a use
-- of a limit to the command that left.
CREATE TABLE once (
    scope      TEXT NOT NULL,
    key        BLOB NOT NULL,
    command_id TEXT NOT NULL,
    until      INTEGER,                     -- NULL: for ever
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX once_by_command ON once (command_id);
CREATE INDEX once_until ON once (until) WHERE until IS NOT NULL;
CREATE TABLE names (
    source     TEXT NOT NULL,
    name       BLOB NOT NULL,
    command_id TEXT NOT NULL,
    PRIMARY KEY (source, name)
) WITHOUT ROWID;
CREATE TABLE uses (
    scope      TEXT NOT NULL,
    key        BLOB NOT NULL,
    command_id TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (scope, key, command_id)
) WITHOUT ROWID;
CREATE INDEX uses_by_command ON uses (command_id);

-- What is paused. A destination may be, by a person and by the gateway itself, at the same time.
CREATE TABLE pauses (
    scope     TEXT NOT NULL,                -- destination, source or rule
    name      TEXT NOT NULL,                -- of a rule: source/rule id
    automatic INTEGER NOT NULL,             -- 1: by the gateway, until a probe passes
    since     INTEGER NOT NULL,
    by        BLOB NOT NULL,
    reason    BLOB,
    PRIMARY KEY (scope, name, automatic)
) WITHOUT ROWID;

-- The last identify of a customer, where it was accepted and its rule says identify_once. An identify that leaves takes
-- the row out, so that whatever becomes of it, the next one is not taken for a repeat.
CREATE TABLE identified (
    destination TEXT NOT NULL,
    user_id     BLOB NOT NULL,
    digest      TEXT NOT NULL,
    command_id  TEXT NOT NULL,
    at          INTEGER NOT NULL,           -- its acceptance
    until       INTEGER NOT NULL,           -- of no use after
    PRIMARY KEY (destination, user_id)
) WITHOUT ROWID;
CREATE INDEX identified_until ON identified (until);

-- Whether Intilery showed the messageId of a command of this kind that it is known to have accepted. An address is
-- where profiles are read.
CREATE TABLE markers (
    address TEXT NOT NULL,
    command TEXT NOT NULL,
    shown   INTEGER NOT NULL,               -- 0 or 1
    at      INTEGER NOT NULL,
    PRIMARY KEY (address, command)
) WITHOUT ROWID;

CREATE TABLE attempts (
    command_seq       INTEGER NOT NULL,     -- commands.seq
    number            INTEGER NOT NULL,
    at                INTEGER NOT NULL,
    outcome           TEXT NOT NULL,
    status            INTEGER,
    message           BLOB,
    duration_ms       REAL NOT NULL,
    intilery_event_id TEXT,
    PRIMARY KEY (command_seq, number, at)
) WITHOUT ROWID;

-- Many webhooks that a person has run again, one after the other, and how far that has come.
CREATE TABLE replays (
    id          TEXT PRIMARY KEY,           -- ordered by time
    began_at    INTEGER NOT NULL,
    asked       BLOB NOT NULL,              -- JSON: which webhooks, and what to do
    total       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    cursor      TEXT,                       -- of the last webhook that is done; NULL: none is
    counts      BLOB NOT NULL,              -- JSON: {word: count}
    finished_at INTEGER
) WITHOUT ROWID;

-- What shadow rules would have done otherwise: counts by rule (rule '': of the source as a whole), and the newest
-- differences without any value out of a payload.
CREATE TABLE shadow_counts (
    candidate TEXT NOT NULL,                -- the version of the shadow rules
    source    TEXT NOT NULL,
    rule      TEXT NOT NULL,
    webhooks  INTEGER NOT NULL,
    appears   INTEGER NOT NULL,
    vanishes  INTEGER NOT NULL,
    changes   INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    PRIMARY KEY (candidate, source, rule)
) WITHOUT ROWID;
CREATE TABLE shadow_differences (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    candidate  TEXT NOT NULL,
    served     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    webhook_id TEXT NOT NULL,
    source     TEXT NOT NULL,
    rule       TEXT NOT NULL,
    command    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    paths      BLOB NOT NULL                -- JSON: [path, ...]
);
CREATE INDEX shadow_differences_by_webhook ON shadow_differences (webhook_id);

-- What Store.check() writes to, to know that a webhook could be written.
CREATE TABLE pulse (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL,
    ballast BLOB
);

-- That all of this is being moved to another store, or was: then nobody serves from here any more. One row, or none.
CREATE TABLE moved (
    id     INTEGER PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    at     INTEGER NOT NULL,
    target TEXT NOT NULL                    -- its address without user and password
);
