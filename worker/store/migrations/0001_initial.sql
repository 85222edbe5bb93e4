-- The house of interviews: what was planned, who held it, and every word of it.

CREATE TABLE interviews (
    interview_id        text PRIMARY KEY,
    room                text NOT NULL,
    candidate_identity  text NOT NULL,
    candidate_name      text,
    plan                jsonb NOT NULL,
    status              text NOT NULL DEFAULT 'created'
                        CHECK (status IN ('created', 'dispatched', 'running', 'ended')),
    outcome             text,
    reason              text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- The last dispatch, and the fencing token it was made for: one dispatch per token.
    dispatch_id         text,
    dispatch_token      bigint,
    dispatched_at       timestamptz,
    -- The fencing token only rises. The lease is live while lease_expires is in the future, by
    -- this database's clock.
    token               bigint NOT NULL DEFAULT 0,
    lease_job           text,
    lease_worker        text,
    lease_expires       timestamptz,
    CHECK ((status = 'ended') = (outcome IS NOT NULL))
);

CREATE INDEX interviews_by_creation ON interviews (created_at DESC, interview_id);
CREATE INDEX interviews_open ON interviews (status, created_at DESC) WHERE status <> 'ended';
CREATE INDEX interviews_leased ON interviews (lease_expires) WHERE lease_job IS NOT NULL;

-- One row a job, a view of its records. No foreign key: a job that was sent to an interview which
-- does not exist is recorded all the same.
CREATE TABLE jobs (
    job_id        text PRIMARY KEY,
    interview_id  text,
    room          text,
    worker_id     text,
    pid           integer,
    token         bigint,
    state         text,
    outcome       text,
    reason        text,
    exit_code     integer,
    signal        integer,
    started_at    timestamptz,
    ended_at      timestamptz,
    -- The last condition of each resource, by its name.
    conditions    jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX jobs_by_interview ON jobs (interview_id, started_at);
CREATE INDEX jobs_by_start ON jobs (started_at DESC NULLS LAST, job_id);

-- The journals, record by record. `record` is the whole of it, `t` in seconds since the job was
-- received.
CREATE TABLE job_records (
    job_id  text NOT NULL,
    seq     bigint NOT NULL,
    at      timestamptz NOT NULL,
    t       double precision NOT NULL,
    kind    text NOT NULL,
    record  jsonb NOT NULL,
    PRIMARY KEY (job_id, seq)
);

-- What was said. `text` is what counts: the candidate's committed words, and of the interviewer's
-- what was heard. `late` marks what came from a job that had lost its lease.
CREATE TABLE turns (
    job_id        text NOT NULL,
    seq           bigint NOT NULL,
    interview_id  text,
    at            timestamptz NOT NULL,
    speaker       text NOT NULL CHECK (speaker IN ('candidate', 'interviewer')),
    question_id   text,
    role          text,
    text          text NOT NULL,
    generated     text,
    heard         text,
    interrupted   boolean NOT NULL DEFAULT false,
    late          boolean NOT NULL DEFAULT false,
    PRIMARY KEY (job_id, seq)
);

CREATE INDEX turns_by_interview ON turns (interview_id, at);

-- Duties of which one worker at a time takes care, as watching over the interviews. Rows instead
-- of session advisory locks, which do not survive PgBouncer's transaction mode.
CREATE TABLE duties (
    duty       text PRIMARY KEY,
    worker_id  text NOT NULL,
    expires    timestamptz NOT NULL
);
