-- A job also reads the dialogue records of its own interview: see own_records.
CREATE OR REPLACE FUNCTION own_records(of_interview text, pass text) RETURNS SETOF job_records
LANGUAGE sql STABLE ROWS 100 AS $$
    SELECT job_records.* FROM jobs JOIN job_records USING (job_id)
    WHERE jobs.interview_id = of_interview AND kind IN ('turn', 'hearing', 'dialogue')
        AND has_pass(of_interview, pass)
$$;

-- Replacing a function resets these properties.
DO $$ BEGIN
    EXECUTE format(
        'ALTER FUNCTION %I.own_records(text, text) SECURITY DEFINER SET search_path = %I, pg_temp',
        current_schema(), current_schema()
    );
END $$;
