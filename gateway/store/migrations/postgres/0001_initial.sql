-- The PostgreSQL store's first shape. One transaction applies it.
--
-- Times are bigint: microseconds since 1970-01-01T00:00:00Z (to_timestamp(at / 1e6) shows one). What comes out of
-- payloads is bytea (UTF-8, lone surrogates passed through), so that no byte a sender can produce is refused. Keys that
-- come out of payloads are kept as their SHA-256, since a B-tree takes no more than 2,704 bytes.
--
-- What is finished lies in partitions, one for each day (UTC) on which its webhook was received, so that pruning is
-- dropping tables: webhooks_2026_03_01, commands_2026_03_01, attempts_2026_03_01. "part" and "day" are that day, in days
-- since 1970-01-01; 0 is for what outlived its day, -1 for commands that are not finished. What must be unique over all
-- time, and what still moves, lies in tables without partitions.

CREATE TABLE gateway_schema (
    version integer NOT NULL                -- how many migrations were applied
);
INSERT INTO gateway_schema VALUES (0);

CREATE TABLE rules_versions (
    version   text PRIMARY KEY,
    loaded_at bigint NOT NULL,
    revision  text,
    files     bytea NOT NULL                -- JSON: {path: text}
);

-- Which version was the served one, and what met it: a row for each of its rules, and one with rule '' for the webhooks
-- of a source. Counted in the transaction that writes the webhooks. Each gateway counts in rows of its own (slot), so
-- that no two wait for each other; the sum is the count.
CREATE TABLE rules_served (
    seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version text NOT NULL,
    since   bigint NOT NULL,
    until   bigint                          -- NULL: no other version has taken over
);
CREATE INDEX rules_served_by_version ON rules_served (version, seq);
CREATE UNIQUE INDEX rules_served_now ON rules_served ((until IS NULL)) WHERE until IS NULL;
CREATE TABLE rule_counts (
    version text NOT NULL,
    source  text NOT NULL,
    rule    text NOT NULL,
    slot    smallint NOT NULL,
    count   bigint NOT NULL,                -- in no index: updates stay in their page (HOT)
    PRIMARY KEY (version, source, rule, slot)
) WITH (fillfactor = 50);

CREATE SEQUENCE webhook_seq;
CREATE TABLE webhooks (
    part          integer NOT NULL,
    seq           bigint NOT NULL,          -- order of receipt: lists and their cursors go by it
    id            text NOT NULL,            -- ordered by time, so that its index grows at its end
    source        text NOT NULL,
    received_at   bigint NOT NULL,
    method        text NOT NULL,
    path          bytea NOT NULL,
    query         bytea NOT NULL,
    headers       bytea NOT NULL,           -- JSON: [[name, value], ...]
    state         text NOT NULL,
    errors        bytea,                    -- JSON: [{rule, field, path, message, element}, ...]; NULL: none
    reason        bytea,
    matched       bytea NOT NULL,           -- JSON: [rule id, ...]
    dedup_key     bytea,
    event_type    bytea,
    rules_version text NOT NULL,
    repeats       integer NOT NULL,
    event_time    bigint,                   -- when it happened at the sender
    parsed        smallint NOT NULL,        -- 1: the body is the parsed value as JSON, not the sender's bytes
    batch_id      text,                     -- the same for all elements of one request; NULL: it is no element
    body          bytea NOT NULL
) PARTITION BY LIST (part);
CREATE UNIQUE INDEX webhooks_by_id ON webhooks (id, part);
CREATE INDEX webhooks_by_seq ON webhooks (seq);
CREATE INDEX webhooks_by_source ON webhooks (source, seq);
-- What people look for after a bad day. States that most webhooks have are listed by walking back from the newest.
CREATE INDEX webhooks_troubled ON webhooks (state, seq)
    WHERE state = 'untranslatable' OR state = 'unparseable' OR state = 'fetching';
CREATE INDEX webhooks_with_errors ON webhooks (seq) WHERE errors IS NOT NULL;
CREATE INDEX webhooks_by_batch ON webhooks (batch_id) WHERE batch_id IS NOT NULL;
CREATE TABLE webhooks_kept PARTITION OF webhooks FOR VALUES IN (0);

-- The whole body around the elements of a batch, once for all of them, where rules read it.
CREATE TABLE batches (
    id   text PRIMARY KEY,                  -- webhooks.batch_id
    body bytea NOT NULL
);

-- Requests that failed authentication. No webhooks: nothing but a release makes anything of them.
CREATE TABLE quarantine (
    seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- order of writing: lists and cursors go by it
    id            text NOT NULL UNIQUE,
    source        text NOT NULL,
    received_at   bigint NOT NULL,
    method        text NOT NULL,
    path          bytea NOT NULL,
    query         bytea NOT NULL,
    headers       bytea NOT NULL,           -- JSON: [[name, value], ...], credentials as keyed hashes
    reason        bytea NOT NULL,
    cause         text NOT NULL,
    findings      bytea NOT NULL,           -- JSON: [text, ...]
    lacking       bytea,                    -- why the body was not kept; NULL: it was
    client        text NOT NULL,            -- the sender's address
    proxied       smallint NOT NULL,        -- 1: a declared proxy passed it on
    rules_version text NOT NULL,
    size          bigint NOT NULL,          -- bytes
    body          bytea NOT NULL
);
CREATE INDEX quarantine_by_source ON quarantine (source, seq) INCLUDE (received_at, size, cause);

-- Random keys that this store was given once: 'quarantine' for the keyed hashes of credentials.
CREATE TABLE keys (
    name text PRIMARY KEY,
    key  bytea NOT NULL
);

-- What thin webhooks point to, as far as it was fetched: traces and replays are computed from it.
CREATE TABLE fetched (
    webhook_id text PRIMARY KEY,
    since      bigint NOT NULL,
    due_at     bigint,                      -- the next try of a webhook that is fetching; NULL: now, or none
    fetches    bytea NOT NULL               -- JSON: [{name, method, url, status, at, attempts, message, answer}, ...]
);

CREATE TABLE dedup (
    source     text NOT NULL,
    key        bytea NOT NULL,              -- SHA-256 of webhooks.dedup_key
    webhook_id text NOT NULL,
    part       integer NOT NULL,            -- where that webhook lies
    expires_at bigint,                      -- NULL: for as long as the webhook is kept. An expired one is overwritten.
    PRIMARY KEY (source, key)
);
CREATE INDEX dedup_until ON dedup (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX dedup_undated ON dedup (part) WHERE expires_at IS NULL;

CREATE SEQUENCE command_seq;
CREATE TABLE commands (
    part              integer NOT NULL,     -- -1 until it is finished, then its day
    seq               bigint NOT NULL,      -- order of translation: the order of a customer's line
    day               integer NOT NULL,     -- webhooks.part of its webhook
    id                text NOT NULL,
    webhook_id        text NOT NULL,
    source            text NOT NULL,
    rule              text NOT NULL,
    element           bytea NOT NULL,
    command           text NOT NULL,
    action            text NOT NULL,
    destination       text NOT NULL,
    user_id           bytea NOT NULL,
    created_at        bigint NOT NULL,
    not_before        bigint,
    expires_at        bigint,
    after_id          text,
    on_unknown        text NOT NULL,
    priority          integer NOT NULL,
    state             text NOT NULL,
    reason            bytea,
    attempts          integer NOT NULL,
    due_at            bigint,
    intilery_event_id bytea,
    finished_at       bigint,
    retried_at        bigint,               -- when a person last had it sent again
    terms             bytea,                -- JSON: {once, limit, quiet, name}; NULL: none
    body              bytea NOT NULL,
    head              boolean NOT NULL,     -- at the head of its customer's line: pending, delivering or unknown
    blocked_by        text COLLATE "C",     -- the identify, or the pause, that it still waits for; NULL: none
    lease             text,                 -- who may record its result
    leased_until      bigint
) PARTITION BY LIST (part);

-- What is not finished. It is small however much was delivered, so vacuuming it is cheap, and it is done early.
CREATE TABLE commands_open PARTITION OF commands FOR VALUES IN (-1) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE commands_open ADD PRIMARY KEY (seq);
CREATE UNIQUE INDEX commands_open_by_id ON commands_open (id);
CREATE INDEX commands_open_by_webhook ON commands_open (webhook_id);  -- without seq: no other index may serve for that

-- The customers' lines. The first index is the promise itself: never two at the head of one line.
CREATE UNIQUE INDEX line_head ON commands_open (destination, sha256(user_id)) WHERE head;
CREATE INDEX line_behind ON commands_open (destination, sha256(user_id), seq) WHERE state = 'pending' AND NOT head;

-- What may be claimed: only heads, so the length of the lines costs nothing; a queue for each priority, source and rule,
-- so they can take turns and be paused; by time in each, so what is due is found without a look at what is not.
CREATE INDEX claimable ON commands_open (destination, priority DESC, source, rule, due_at, seq)
    WHERE state = 'pending' AND head;
CREATE INDEX waiting_for_time ON commands_open (destination, due_at) WHERE state = 'waiting' AND blocked_by IS NULL;
CREATE INDEX waiting_for_identify ON commands_open (blocked_by, destination) WHERE blocked_by IS NOT NULL;
CREATE INDEX in_flight ON commands_open (leased_until) WHERE state = 'delivering';
CREATE INDEX lookups ON commands_open (due_at) WHERE state = 'unknown';
CREATE INDEX held ON commands_open (seq) WHERE state = 'held';
CREATE INDEX held_by_destination ON commands_open (destination) WHERE state = 'held';

-- What is finished: this one, and one like it for each day.
CREATE TABLE commands_kept PARTITION OF commands FOR VALUES IN (0);
CREATE UNIQUE INDEX commands_kept_by_id ON commands_kept (id);
CREATE INDEX commands_kept_by_seq ON commands_kept (seq);
CREATE INDEX commands_kept_by_webhook ON commands_kept (webhook_id, seq);
CREATE INDEX commands_kept_by_customer ON commands_kept (sha256(user_id), seq);
CREATE INDEX commands_kept_troubled ON commands_kept (state, seq) WHERE state = 'failed' OR state = 'expired';

CREATE TABLE attempts (
    part              integer NOT NULL,     -- commands.day
    command_seq       bigint NOT NULL,
    number            integer NOT NULL,
    at                bigint NOT NULL,
    outcome           text NOT NULL,
    status            integer,
    message           bytea,
    duration_ms       double precision NOT NULL,
    intilery_event_id bytea
) PARTITION BY LIST (part);
CREATE UNIQUE INDEX attempts_by_command ON attempts (command_seq, number, at, part);
CREATE TABLE attempts_kept PARTITION OF attempts FOR VALUES IN (0);

-- What rules say of how often. A once key belongs to the command that has it; a name to the last that took it; a use
-- of a limit to the command that left. Keys and names are SHA-256.
CREATE TABLE once (
    scope      text NOT NULL,
    key        bytea NOT NULL,
    command_id text NOT NULL,
    until      bigint,                      -- NULL: for ever
    PRIMARY KEY (scope, key)
);
CREATE INDEX once_by_command ON once (command_id);
CREATE INDEX once_until ON once (until) WHERE until IS NOT NULL;
CREATE TABLE names (
    source     text NOT NULL,
    name       bytea NOT NULL,
    command_id text NOT NULL,
    PRIMARY KEY (source, name)
);
CREATE INDEX names_by_command ON names (command_id);
CREATE TABLE uses (
    scope      text NOT NULL,
    key        bytea NOT NULL,
    command_id text NOT NULL,
    at         bigint NOT NULL,
    until      bigint NOT NULL,             -- when it no longer counts, by the limit that it was counted for
    PRIMARY KEY (scope, key, command_id)
);
CREATE INDEX uses_by_command ON uses (command_id);
CREATE INDEX uses_until ON uses (until);

-- What is paused. A destination may be, by a person and by the gateway itself, at the same time.
CREATE TABLE pauses (
    scope     text NOT NULL,                -- destination, source or rule
    name      text NOT NULL,                -- of a rule: source/rule id
    automatic boolean NOT NULL,             -- by the gateway, until a probe passes
    since     bigint NOT NULL,
    by        bytea NOT NULL,
    reason    bytea,
    PRIMARY KEY (scope, name, automatic)
);

-- The last identify of a customer, where it was accepted and its rule says identify_once. An identify that leaves takes
-- the row out, so that whatever becomes of it, the next one is not taken for a repeat.
CREATE TABLE identified (
    destination text NOT NULL,
    customer    bytea NOT NULL,             -- SHA-256 of commands.user_id
    digest      text NOT NULL,
    command_id  text NOT NULL,
    at          bigint NOT NULL,            -- its acceptance
    until       bigint NOT NULL,            -- of no use after
    PRIMARY KEY (destination, customer)
);
CREATE INDEX identified_until ON identified (until);

-- What every address of Intilery still takes: a token bucket, as gateway/pacing.py counts. Whoever claims spends from it.
CREATE TABLE buckets (
    address    text PRIMARY KEY,
    rate       double precision NOT NULL,   -- tokens a second when all is well
    burst      integer NOT NULL,            -- most tokens that it holds
    tokens     double precision NOT NULL,
    at         double precision NOT NULL,   -- of tokens and pace: seconds since 1970, by the server's clock
    pace       double precision NOT NULL,   -- tokens a second then
    not_before double precision NOT NULL    -- none before this moment
);

-- The processes that deliver, each of which says so every second.
CREATE TABLE sharers (
    process text PRIMARY KEY,
    seen_at bigint NOT NULL                 -- by the server's clock
);

-- Whether Intilery showed the messageId of a command of this kind that it is known to have accepted. An address is
-- where profiles are read.
CREATE TABLE markers (
    address text NOT NULL,
    command text NOT NULL,
    shown   boolean NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (address, command)
);

-- Many webhooks that a person has run again, one after the other, and how far that has come.
CREATE TABLE replays (
    id          text PRIMARY KEY,           -- ordered by time
    began_at    bigint NOT NULL,
    asked       bytea NOT NULL,             -- JSON: which webhooks, and what to do
    total       bigint NOT NULL,
    done        bigint NOT NULL,
    cursor      text,                       -- of the last webhook that is done; NULL: none is
    counts      bytea NOT NULL,             -- JSON: {word: count}
    finished_at bigint
);

-- What shadow rules would have done otherwise: counts by rule (rule '': of the source as a whole), and the newest
-- differences without any value out of a payload.
CREATE TABLE shadow_counts (
    candidate text NOT NULL,                -- the version of the shadow rules
    source    text NOT NULL,
    rule      text NOT NULL,
    webhooks  bigint NOT NULL,
    appears   bigint NOT NULL,
    vanishes  bigint NOT NULL,
    changes   bigint NOT NULL,
    last_at   bigint NOT NULL,
    PRIMARY KEY (candidate, source, rule)
);
CREATE TABLE shadow_differences (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    candidate  text NOT NULL,
    served     text NOT NULL,
    at         bigint NOT NULL,
    webhook_id text NOT NULL,
    source     text NOT NULL,
    rule       text NOT NULL,
    command    text NOT NULL,
    kind       text NOT NULL,
    paths      bytea NOT NULL               -- JSON: [path, ...]
);
CREATE INDEX shadow_differences_by_webhook ON shadow_differences (webhook_id);

-- What Store.check() writes to, to know that a webhook could be written.
CREATE TABLE pulse (
    id smallint PRIMARY KEY CHECK (id = 1),
    at bigint NOT NULL
);

-- How far what is moved here from an SQLite file has come, by table. Nobody serves before all is done.
CREATE TABLE moving (
    name  text PRIMARY KEY,
    mark  bigint NOT NULL,                  -- of the file: when it began
    rows  bigint NOT NULL,
    after bytea,                            -- the key of the last row that came; NULL: none has
    done  boolean NOT NULL
);
