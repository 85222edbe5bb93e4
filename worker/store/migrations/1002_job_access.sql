-- The rights of job processes. A job's process connects with a role that may neither delete a row nor
-- read what other interviews hold: their plans, names and words. worker/store/privileges.py has the
-- list of its rights, and the worker grants them.

-- The role of the jobs of this database, and the key of their passes. Only the owner reads it: row
-- level security keeps out everybody else, also where default privileges grant new tables to others.
CREATE TABLE job_access (
    -- Name of the database, because a copy of it must not share its role and its key.
    database   text PRIMARY KEY,
    pass_key   bytea NOT NULL,
    role_name  text NOT NULL,
    password   text NOT NULL
);

ALTER TABLE job_access ENABLE ROW LEVEL SECURITY;

-- A pass proves that the main process has given a job in the interview's room this interview. It is
-- SHA-256(key || SHA-256(key || SHA-256(id) || SHA-256(room))), so that nobody can compute one without
-- the key. A job can dispatch another job for any interview, but only into its own room: the pass of
-- that job is one for another room, and opens nothing.
CREATE FUNCTION has_pass(of_interview text, pass text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM job_access, interviews
        WHERE job_access.database = current_database() AND interview_id = of_interview
            AND pass = encode(sha256(pass_key || sha256(pass_key
                || sha256(convert_to(interview_id, 'UTF8')) || sha256(convert_to(room, 'UTF8')))), 'hex')
    )
$$;

CREATE FUNCTION own_interview(of_interview text, pass text) RETURNS SETOF interviews
LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT * FROM interviews WHERE interview_id = of_interview AND has_pass(of_interview, pass)
$$;

CREATE FUNCTION own_turns(of_interview text, pass text) RETURNS SETOF turns
LANGUAGE sql STABLE ROWS 100 AS $$
    SELECT * FROM turns WHERE interview_id = of_interview AND has_pass(of_interview, pass)
$$;

-- The records of an interview's jobs that hold words.
CREATE FUNCTION own_records(of_interview text, pass text) RETURNS SETOF job_records
LANGUAGE sql STABLE ROWS 100 AS $$
    SELECT job_records.* FROM jobs JOIN job_records USING (job_id)
    WHERE jobs.interview_id = of_interview AND kind IN ('turn', 'hearing')
        AND has_pass(of_interview, pass)
$$;

-- The records of a job that hold nobody's words, for everybody who may execute it.
CREATE FUNCTION wordless_records(of_job text) RETURNS SETOF job_records
LANGUAGE sql STABLE ROWS 50 AS $$
    SELECT * FROM job_records
    WHERE job_id = of_job AND kind IN ('transition', 'condition', 'clock', 'exit')
$$;

-- Triggers delete for the jobs, and only what belongs to a change of the interview's row.
CREATE FUNCTION drop_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM leases WHERE interview_id = NEW.interview_id;
    RETURN NULL;
END $$;

CREATE FUNCTION drop_look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM orphans WHERE interview_id = NEW.interview_id;
    RETURN NULL;
END $$;

CREATE TRIGGER drop_lease AFTER UPDATE OF lease_job ON interviews
    FOR EACH ROW WHEN (OLD.lease_job IS NOT NULL AND NEW.lease_job IS NULL)
    EXECUTE FUNCTION drop_lease();
CREATE TRIGGER drop_look AFTER UPDATE OF lease_job ON interviews
    FOR EACH ROW WHEN (NEW.lease_job IS NOT NULL
        OR OLD.dispatch_token IS DISTINCT FROM NEW.dispatch_token)
    EXECUTE FUNCTION drop_look();

-- A job keeps its id and its interview: the words of a job belong to the interview of the row with the
-- job's id, so with others they would be those of another interview. A row without an interview gets
-- one only from a role that may read all words anyway.
CREATE FUNCTION keep_interview_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.job_id := OLD.job_id;
    IF OLD.interview_id IS NOT NULL
        OR NOT has_table_privilege(format('%I.turns', TG_TABLE_SCHEMA), 'SELECT')
    THEN
        NEW.interview_id := OLD.interview_id;
    END IF;
    RETURN NEW;
END $$;

-- A job of an erased interview becomes an erased job, unless the job is known with another interview:
-- nobody can erase a job by naming an erased interview for it.
CREATE OR REPLACE FUNCTION skip_erased_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_erased('interview', NEW.interview_id) THEN
        INSERT INTO tombstones (kind, id_sha256)
        SELECT 'job', sha256(convert_to(NEW.job_id, 'UTF8'))
        WHERE NOT EXISTS (
            SELECT FROM jobs WHERE job_id = NEW.job_id AND interview_id <> NEW.interview_id
        ) ON CONFLICT DO NOTHING;
        RETURN NULL;
    END IF;
    IF is_erased('job', NEW.job_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

-- These functions run with the rights of the owner. Their search path is fixed, or a caller could put
-- a table of its own before one of these. Nobody else may execute a function of a trigger: a caller
-- could make it the trigger of a temporary table of its own, with rows of its choice. The triggers of
-- these tables fire without this privilege.
DO $$
DECLARE
    called text;
BEGIN
    FOREACH called IN ARRAY ARRAY[
        'has_pass(text, text)', 'own_interview(text, text)', 'own_turns(text, text)',
        'own_records(text, text)', 'wordless_records(text)', 'drop_lease()', 'drop_look()',
        'skip_erased_interview()', 'skip_erased_job()', 'skip_record_of_erased_job()',
        'write_outbox()'
    ] LOOP
        EXECUTE format(
            'ALTER FUNCTION %I.%s SECURITY DEFINER SET search_path = %I, pg_temp',
            current_schema(), called, current_schema()
        );
        IF called LIKE '%()' THEN
            EXECUTE format(
                'REVOKE EXECUTE ON FUNCTION %I.%s FROM PUBLIC', current_schema(), called
            );
        END IF;
    END LOOP;
END $$;
