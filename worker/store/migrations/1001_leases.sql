-- A new schema generation: leases in a table of their own, windows of interviews, and the tables
-- that later versions need. Later migrations only add.

-- The lease of each interview that a job holds. A renewal changes no indexed column, so that
-- PostgreSQL updates the row in place (a heap-only tuple). interviews.token and interviews.lease_job
-- stay: they change only if a job takes or loses the interview.
CREATE TABLE leases (
    interview_id  text PRIMARY KEY,
    -- The fencing token with which the job holds the interview.
    token         bigint NOT NULL,
    job_id        text NOT NULL,
    worker_id     text,
    -- Duration in seconds that the holder has chosen. Other workers judge the lease by it.
    lease_s       double precision NOT NULL,
    expires       timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX leases_by_job ON leases (job_id);

INSERT INTO leases (interview_id, token, job_id, worker_id, lease_s, expires)
SELECT interview_id, token, lease_job, lease_worker, 3, coalesce(lease_expires, now())
FROM interviews WHERE lease_job IS NOT NULL;

-- From here on interviews.lease_worker and interviews.lease_expires are not written any more.
DROP INDEX interviews_leased;
UPDATE interviews SET lease_worker = NULL, lease_expires = NULL WHERE lease_job IS NOT NULL;

-- A status or an outcome of a later version must not be refused.
ALTER TABLE interviews
    DROP CONSTRAINT interviews_status_check,
    DROP CONSTRAINT interviews_check;

ALTER TABLE interviews
    -- Whose interview it is. NULL: of the workers of the interview application.
    ADD COLUMN agent_name text,
    ADD COLUMN livekit_url text,
    -- A worker leaves an interview alone whose protocol is newer than its own.
    ADD COLUMN protocol smallint NOT NULL DEFAULT 1,
    -- The window in which the candidate can be interviewed.
    ADD COLUMN opens_at timestamptz,
    ADD COLUMN closes_at timestamptz NOT NULL DEFAULT now() + interval '7 days',
    -- Why the interview lost its last interviewer, until a job takes the interview. A dispatch that
    -- could not be sent, or that no worker took, does not change it.
    ADD COLUMN lost_why text,
    -- True for interviews that shared a room before the index below.
    ADD COLUMN shares_room boolean NOT NULL DEFAULT false;

UPDATE interviews SET shares_room = true
WHERE room IN (SELECT room FROM interviews GROUP BY room HAVING count(*) > 1);

-- One room holds one open interview.
CREATE UNIQUE INDEX interviews_one_in_room ON interviews (room, coalesce(livekit_url, ''))
WHERE status <> 'ended' AND NOT shares_room;

-- Open interviews that no job holds: where the leader searches for orphaned interviews.
CREATE INDEX interviews_unheld ON interviews (status)
WHERE status <> 'ended' AND lease_job IS NULL;

-- Open interviews by the end of their window.
CREATE INDEX interviews_by_end ON interviews (closes_at) WHERE status <> 'ended';

-- What the leader found when it looked for the candidate of an orphaned interview, so that a new
-- leader continues, and so that an interview that cannot be helped waits for its own back-off.
CREATE TABLE orphans (
    interview_id   text PRIMARY KEY,
    -- The interview's fencing token at the look. With another token the row is out of date.
    token          bigint NOT NULL,
    -- Since when the candidate has not been in the room; NULL: the candidate is there.
    absent_since   timestamptz,
    looks          integer NOT NULL DEFAULT 1,
    look_again_at  timestamptz NOT NULL
) WITH (fillfactor = 70);

-- The contact row is written only every quarter of a lease.
ALTER TABLE lease_contact
    -- Longest gap in the contact, by the settings of the worker that wrote `seen`. After a longer gap
    -- all workers were cut off.
    ADD COLUMN gap_s double precision NOT NULL DEFAULT 1.5,
    -- When the first worker came back after such a gap. No lease expires for its own length from
    -- then on. calm_until is not used any more.
    ADD COLUMN calm_since timestamptz NOT NULL DEFAULT '-infinity';

ALTER TABLE workers
    ADD COLUMN livekit_url text,
    -- Free slots that other workers, which drain, have reserved for their interviews.
    ADD COLUMN reserved integer NOT NULL DEFAULT 0,
    ADD COLUMN reserved_until timestamptz;

-- Interviews and jobs that were erased: nothing of them is stored again, even if a machine that was
-- away delivers a journal later. The ids are stored as SHA-256. Triggers decide, so that an older
-- worker cannot get around them.
CREATE TABLE tombstones (
    kind       text NOT NULL CHECK (kind IN ('interview', 'job')),
    id_sha256  bytea NOT NULL,
    erased_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id_sha256)
);

CREATE FUNCTION is_erased(what text, id text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT id IS NOT NULL AND EXISTS (
        SELECT FROM tombstones
        WHERE kind = what AND id_sha256 = sha256(convert_to(id, 'UTF8'))
    )
$$;

CREATE FUNCTION skip_erased_interview() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_erased('interview', NEW.interview_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

-- A job of an erased interview becomes an erased job, because its records name only the job.
CREATE FUNCTION skip_erased_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_erased('interview', NEW.interview_id) THEN
        INSERT INTO tombstones (kind, id_sha256)
        VALUES ('job', sha256(convert_to(NEW.job_id, 'UTF8'))) ON CONFLICT DO NOTHING;
        RETURN NULL;
    END IF;
    IF is_erased('job', NEW.job_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION skip_record_of_erased_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_erased('job', NEW.job_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER skip_erased BEFORE INSERT ON interviews
    FOR EACH ROW EXECUTE FUNCTION skip_erased_interview();
CREATE TRIGGER skip_erased BEFORE INSERT ON jobs
    FOR EACH ROW EXECUTE FUNCTION skip_erased_job();
CREATE TRIGGER skip_erased BEFORE INSERT ON job_records
    FOR EACH ROW EXECUTE FUNCTION skip_record_of_erased_job();
CREATE TRIGGER skip_erased BEFORE INSERT ON turns
    FOR EACH ROW EXECUTE FUNCTION skip_record_of_erased_job();

-- Changes of interviews for readers outside, such as webhooks. Nothing is written without a reader.
CREATE TABLE outbox_readers (
    reader  text PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    interview_id  text NOT NULL,
    event         text NOT NULL,
    data          jsonb NOT NULL DEFAULT '{}'
);

CREATE FUNCTION write_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM outbox_readers) THEN
        INSERT INTO outbox (interview_id, event, data) VALUES (
            NEW.interview_id,
            'status',
            jsonb_build_object(
                'status', NEW.status, 'outcome', NEW.outcome, 'reason', NEW.reason,
                'token', NEW.token
            )
        );
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER outbox_of_new AFTER INSERT ON interviews
    FOR EACH ROW EXECUTE FUNCTION write_outbox();
CREATE TRIGGER outbox_of_change AFTER UPDATE ON interviews
    FOR EACH ROW
    WHEN ((OLD.status, OLD.outcome, OLD.reason) IS DISTINCT FROM (NEW.status, NEW.outcome, NEW.reason))
    EXECUTE FUNCTION write_outbox();
