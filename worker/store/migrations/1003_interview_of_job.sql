-- A job keeps its id and its interview: see keep_interview_of_job.
CREATE TRIGGER keep_interview BEFORE UPDATE OF job_id, interview_id ON jobs
    FOR EACH ROW
    WHEN ((NEW.job_id, NEW.interview_id) IS DISTINCT FROM (OLD.job_id, OLD.interview_id))
    EXECUTE FUNCTION keep_interview_of_job();
