//! The little of HTTP/1.1 that serving a page takes: what a request's head
//! asks for, and how an answer is written. Pure; [`super::serve`] has the
//! sockets.

/// A request's head may be this long, which is more than browsers send.
pub const LONGEST_HEAD: usize = 8 * 1024;

/// What of the answers can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The page.
    Page,
    /// The same as text.
    Text,
    /// The facts as JSON.
    Json,
}

/// What became of the bytes read so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// More is to come.
    Partial,
    /// All of it is there.
    Whole(Request),
    /// It cannot be answered as it is meant.
    Bad(Status),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Without the body: only its head.
    pub head_only: bool,
    /// What is to be sent.
    pub target: Result<Document, Status>,
    /// Its first line, for the log.
    pub line: String,
}

/// How an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Here it is.
    Ok,
    /// That is no request.
    BadRequest,
    /// There is no such document.
    NotFound,
    /// Reading is all one can do here.
    MethodNotAllowed,
    /// It took too long.
    Timeout,
    /// The head is too long.
    HeadTooLong,
    /// Another HTTP is spoken here.
    Version,
}

impl Status {
    /// Its number.
    pub fn code(self) -> u16 {
        self.parts().0
    }

    fn parts(self) -> (u16, &'static str) {
        match self {
            Self::Ok => (200, "OK"),
            Self::BadRequest => (400, "Bad Request"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::Timeout => (408, "Request Timeout"),
            Self::HeadTooLong => (431, "Request Header Fields Too Large"),
            Self::Version => (505, "HTTP Version Not Supported"),
        }
    }
}

/// Looks for a whole head in what has come so far.
pub fn read(bytes: &[u8]) -> Head {
    // An empty line before a request is allowed for.
    let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
    let bytes = &bytes[start.count()..];
    let Some(end) = end(bytes) else {
        return match bytes.len() {
            0..LONGEST_HEAD => Head::Partial,
            _ => Head::Bad(Status::HeadTooLong),
        };
    };
    if end > LONGEST_HEAD {
        return Head::Bad(Status::HeadTooLong);
    }
    match std::str::from_utf8(&bytes[..end]) {
        Ok(text) => understand(text).map_or_else(Head::Bad, Head::Whole),
        Err(_) => Head::Bad(Status::BadRequest),
    }
}

/// Where the empty line is that ends a head.
fn end(bytes: &[u8]) -> Option<usize> {
    let strict = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let lax = bytes.windows(2).position(|w| w == b"\n\n");
    [strict, lax].into_iter().flatten().min()
}

fn understand(text: &str) -> Result<Request, Status> {
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err(Status::BadRequest);
    };
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic());
    if !token(method) || !token(target) {
        return Err(Status::BadRequest);
    }
    if !version.starts_with("HTTP/") {
        return Err(Status::BadRequest);
    }
    if !version.starts_with("HTTP/1.") {
        return Err(Status::Version);
    }
    let target = match method {
        "GET" | "HEAD" => document(target),
        _ => Err(Status::MethodNotAllowed),
    };
    Ok(Request {
        head_only: method == "HEAD",
        target,
        line: format!("{method} {}", words[1]),
    })
}

fn document(target: &str) -> Result<Document, Status> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    match path {
        "/" => Ok(Document::Page),
        "/text" => Ok(Document::Text),
        "/json" => Ok(Document::Json),
        _ => Err(Status::NotFound),
    }
}

/// An answer, complete. The connection ends with it.
pub fn answer(status: Status, content: &str, body: &str, head_only: bool) -> Vec<u8> {
    let (code, words) = status.parts();
    let allow = match status {
        Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {code} {words}\r\n\
         Content-Type: {content}; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         X-Content-Type-Options: nosniff\r\n\
         {allow}Connection: close\r\n\r\n",
        body.len()
    );
    let mut bytes = head.into_bytes();
    if !head_only {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}

/// The answer to what cannot be answered.
pub fn refusal(status: Status, head_only: bool) -> Vec<u8> {
    let (code, words) = status.parts();
    let body = format!("{code} {words}: there is /, /text and /json here, to be read\n");
    answer(status, "text/plain", &body, head_only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Request {
        match read(text.as_bytes()) {
            Head::Whole(request) => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for() {
        for (line, document) in [
            ("GET / HTTP/1.1", Ok(Document::Page)),
            ("GET /?x=1 HTTP/1.0", Ok(Document::Page)),
            ("GET /text HTTP/1.1", Ok(Document::Text)),
            ("HEAD /json HTTP/1.1", Ok(Document::Json)),
            ("GET /../etc/passwd HTTP/1.1", Err(Status::NotFound)),
            ("GET //text HTTP/1.1", Err(Status::NotFound)),
            ("GET http://x/ HTTP/1.1", Err(Status::NotFound)),
            ("POST / HTTP/1.1", Err(Status::MethodNotAllowed)),
            ("get / HTTP/1.1", Err(Status::MethodNotAllowed)),
        ] {
            let request = whole(&format!("{line}\r\nHost: x\r\n\r\n"));
            assert_eq!(request.target, document, "{line}");
            assert_eq!(request.head_only, line.starts_with("HEAD"));
        }
        assert_eq!(whole("\r\nGET / HTTP/1.1\n\n").line, "GET /");
    }

    #[test]
    fn what_is_no_request() {
        for (text, status) in [
            ("GET /\r\n\r\n", Status::BadRequest),
            ("GET  / HTTP/1.1\r\n\r\n", Status::BadRequest),
            ("GET / x HTTP/1.1\r\n\r\n", Status::BadRequest),
            ("GET /\u{1b}[31m HTTP/1.1\r\n\r\n", Status::BadRequest),
            ("GET / FTP/1.1\r\n\r\n", Status::BadRequest),
            ("PRI * HTTP/2.0\r\n\r\n", Status::Version),
        ] {
            assert_eq!(read(text.as_bytes()), Head::Bad(status), "{text:?}");
        }
        let binary = b"\x16\x03\x01\xff\n\n";
        assert_eq!(read(binary), Head::Bad(Status::BadRequest));
    }

    #[test]
    fn a_head_that_is_not_over_yet() {
        for text in [
            "",
            "\r\n",
            "G",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Head::Partial, "{text:?}");
        }
    }

    #[test]
    fn a_head_that_is_too_long() {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(LONGEST_HEAD));
        assert_eq!(read(long.as_bytes()), Head::Bad(Status::HeadTooLong));
        let over = long + "\r\n\r\n";
        assert_eq!(read(over.as_bytes()), Head::Bad(Status::HeadTooLong));
    }

    #[test]
    fn an_answer_tells_its_length_with_and_without_its_body() {
        let whole = answer(Status::Ok, "text/plain", "grün", false);
        let text = String::from_utf8(whole).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(text.contains("\r\nContent-Length: 5\r\n"));
        assert!(text.ends_with("\r\n\r\ngrün"));
        let head = answer(Status::Ok, "text/plain", "grün", true);
        assert_eq!(String::from_utf8(head).unwrap() + "grün", text);
        let refused = String::from_utf8(refusal(Status::MethodNotAllowed, false)).unwrap();
        assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        /// What has come does not matter, only what has come in all.
        #[test]
        fn a_head_is_partial_until_its_end(cut in 0usize..36) {
            let text = b"GET /text HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
            prop_assert_eq!(read(&text[..cut]), Head::Partial);
        }
    }
}
