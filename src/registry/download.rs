//! A file from the web that no registry keeps: for `ADD`. Nobody is let in
//! with a password.

use std::io::{self, Write};
use std::sync::Arc;

use super::config::Config;
use super::failure;
use super::http::{Body, Http, Response};
use super::progress::Watch;
use super::retry::{Attempts, Failed};
use super::session::failed;
use super::url::{Url, is_loopback};
use crate::error::{Error, Result};

/// As many times a request may be sent on.
const REDIRECTS: usize = 10;

/// Fetches `url` and writes it to `out`; when it was last changed, in seconds
/// since 1970, if the web knows.
///
/// What breaks off is not taken up again: half of it has been written.
pub fn download(config: Config, url: &str, out: &mut dyn Write) -> Result<Option<i64>> {
    let url = Url::parse(url).map_err(|_| {
        Error::user(format!("invalid address {url:?}"))
            .hint("as in https://example.com/file.tar.gz, without a name and password")
    })?;
    let config = Arc::new(config);
    let http = Http::new(config.clone());
    let mut answer =
        Attempts::new(&config.patience, Watch::none()).until(|| get(&http, url.clone()))?;
    let changed = answer.header("last-modified").and_then(failure::http_date);
    let length = answer.length();
    let copied = io::copy(answer.body(), out);
    let copied = copied.map_err(|e| Error::from(e).context(format!("fetching {url}")))?;
    if length.is_some_and(|length| length != copied) {
        return Err(Error::environment(format!(
            "fetching {url}: it broke off after {copied} bytes"
        ))
        .hint("try again"));
    }
    Ok(changed.map(|seconds| seconds as i64))
}

fn get(http: &Http, mut url: Url) -> std::result::Result<Response, Failed> {
    let start = url.clone();
    for _ in 0..REDIRECTS {
        let answer = http.send("GET", &url, &[], Body::None);
        let answer = answer.map_err(|trouble| failed(trouble, url.authority()))?;
        match answer.status {
            200 => return Ok(answer),
            301 | 302 | 303 | 307 | 308 => {
                url = follow(&url, answer.header("location").unwrap_or_default())
                    .map_err(Failed::Final)?;
            }
            status => {
                let error = Error::environment(format!("{url}: the answer is {status}"))
                    .hint("check the address with a browser or curl");
                return Err(if failure::may_pass(status) {
                    Failed::Passing(error, failure::retry_after(&answer))
                } else {
                    Failed::Final(error)
                });
            }
        }
    }
    let text = format!("{start} sends us in circles");
    Err(Failed::Final(Error::environment(text)))
}

/// Not from TLS to plain text, and not from elsewhere to what only this
/// machine can reach.
fn follow(from: &Url, location: &str) -> Result<Url> {
    let to = from.join(location)?;
    let worse = from.secure() && !to.secure();
    let inside = is_loopback(to.host()) && !is_loopback(from.host());
    if worse || inside {
        return Err(Error::environment(format!(
            "{from} sends us to {}, where nobody should be sent",
            to.origin()
        )));
    }
    Ok(to)
}
