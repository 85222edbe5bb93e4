-- A job keeps its interview: with another one, its words would be those of that interview.
CREATE TRIGGER keep_interview BEFORE UPDATE OF interview_id ON jobs
    FOR EACH ROW
    WHEN (OLD.interview_id IS NOT NULL AND NEW.interview_id IS DISTINCT FROM OLD.interview_id)
    EXECUTE FUNCTION keep_interview_of_job();
