//! Refusals in S3's own words.

use crate::answer::Answer;

pub(super) fn signature_does_not_match(why: &str) -> Answer {
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your key and signing method.";
    refusal(
        403,
        "SignatureDoesNotMatch",
        &format!("{message} ({why})"),
        "",
    )
}

pub(super) fn expired() -> Answer {
    refusal(403, "AccessDenied", "Request has expired", "")
}

pub(super) fn no_such_upload() -> Answer {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the \
                   upload may have been aborted or completed.";
    refusal(404, "NoSuchUpload", message, "")
}

pub(super) fn bad_digest(expected: &str, calculated: &str) -> Answer {
    let message = "The Content-MD5 you specified did not match what we received.";
    let digests = format!(
        "<ExpectedDigest>{expected}</ExpectedDigest>\
         <CalculatedDigest>{calculated}</CalculatedDigest>"
    );
    refusal(400, "BadDigest", message, &digests)
}

fn refusal(status: u16, code: &str, message: &str, more: &str) -> Answer {
    Answer::xml(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{message}</Message>{more}<RequestId>SIMULATED</RequestId></Error>"
        ),
    )
}
