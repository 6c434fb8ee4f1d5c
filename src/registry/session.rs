//! A request as the protocol means it: to a registry, let in if that is
//! needed, followed to where the registry keeps its content.
//!
//! What lets us in is shown to the registry itself and to nobody it sends us
//! to.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use super::auth::{Auth, Purpose};
use super::config::Config;
use super::failure::{self, What};
use super::http::{Body, Http, Response, Trouble};
use super::retry::Failed;
use super::url::{Url, is_loopback};
use crate::error::{Error, Result};
use crate::image::reference::api_host;

/// As many times a request may be sent on.
const REDIRECTS: usize = 10;

/// Where the bytes of an upload come from; read again if it must be.
pub trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// What is sent along.
pub(crate) enum Upload<'a> {
    /// Nothing at all.
    Nothing,
    /// Bytes at hand.
    Bytes(&'a [u8]),
    /// So many bytes from a place on.
    Piece(&'a mut dyn Source, u64, u64),
}

/// One request.
pub(crate) struct Call<'a> {
    pub method: &'static str,
    /// Where to; perhaps not on the registry's own host, if that has said so.
    pub url: Url,
    pub purpose: &'a Purpose,
    pub headers: Vec<(&'a str, String)>,
    pub body: Upload<'a>,
}

/// Connections, passes, and what is known of the hosts.
pub(crate) struct Session {
    pub config: Arc<Config>,
    http: Http,
    auth: Auth,
    secure: Mutex<BTreeMap<String, bool>>,
}

impl Session {
    pub fn new(config: Arc<Config>, auth: Auth) -> Self {
        Self {
            http: Http::new(config.clone()),
            config,
            auth,
            secure: Mutex::default(),
        }
    }

    /// An address at a registry, with TLS unless it has none and needs none.
    pub fn url(&self, host: &str, path: &str) -> std::result::Result<Url, Failed> {
        let secure = !self.config.plain_allowed(host) || self.speaks_tls(host)?;
        Ok(Url::new(secure, host, path))
    }

    /// Asked only of those that may do without.
    fn speaks_tls(&self, host: &str) -> std::result::Result<bool, Failed> {
        let known = || self.secure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secure) = known().get(host) {
            return Ok(*secure);
        }
        let probe = Url::new(true, host, "/v2/");
        let secure = match self.http.send("GET", &probe, &[], Body::None) {
            Ok(_) => true,
            Err(Trouble::NotTls | Trouble::Broken(_) | Trouble::Stalled) => false,
            Err(trouble) => return Err(failed(trouble, host)),
        };
        known().insert(host.to_owned(), secure);
        Ok(secure)
    }

    /// Sends a request and returns the answer, whatever its status, unless
    /// that is one that may pass.
    pub fn call(&self, mut call: Call<'_>) -> std::result::Result<Response, Failed> {
        let home = self.url(api_host(&call.purpose.domain), "/v2/")?;
        let mut url = call.url.clone();
        let mut pass = self.auth.header(call.purpose);
        let mut renewed = false;
        for _ in 0..REDIRECTS {
            let at_home = url.origin() == home.origin();
            let shown = pass.as_deref().filter(|_| at_home);
            let answer = self.send(&mut call, &url, shown)?;
            match answer.status {
                401 if at_home && !renewed => {
                    renewed = true;
                    let got = self.auth.answer(&self.http, &home, call.purpose, &answer);
                    pass = Some(got.map_err(|t| failed(t, home.authority()))?);
                }
                301 | 302 | 303 | 307 | 308 if matches!(call.method, "GET" | "HEAD") => {
                    url = self.follow(&url, &answer).map_err(Failed::Final)?;
                }
                status if failure::may_pass(status) => {
                    let wait = failure::retry_after(&answer);
                    let what = What::Image(&call.purpose.path);
                    let error = self.explain(answer, &url, call.purpose, what);
                    return Err(Failed::Passing(error, wait));
                }
                _ => return Ok(answer),
            }
        }
        let text = format!("{} sends us in circles", home.authority());
        Err(Failed::Final(Error::environment(text)))
    }

    fn send(
        &self,
        call: &mut Call<'_>,
        url: &Url,
        pass: Option<&str>,
    ) -> std::result::Result<Response, Failed> {
        let mut headers: Vec<_> = call.headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        headers.extend(pass.map(|pass| ("authorization", pass)));
        let sent = match &mut call.body {
            Upload::Nothing => self.http.send(call.method, url, &headers, Body::None),
            Upload::Bytes(bytes) => self
                .http
                .send(call.method, url, &headers, Body::Bytes(bytes)),
            Upload::Piece(source, from, length) => {
                let sought = source.seek(SeekFrom::Start(*from));
                sought.map_err(|e| Failed::Final(e.into()))?;
                let mut piece = source.take(*length);
                let body = Body::Reader(&mut piece, *length);
                self.http.send(call.method, url, &headers, body)
            }
        };
        sent.map_err(|trouble| failed(trouble, url.authority()))
    }

    /// Where an answer sends us, if one may go there.
    fn follow(&self, from: &Url, answer: &Response) -> Result<Url> {
        let location = answer.header("location").unwrap_or_default();
        let to = from
            .join(location)
            .map_err(|e| e.context(from.authority()))?;
        let plain = to.secure() || self.config.plain_allowed(to.authority());
        let inside = is_loopback(to.host()) && !is_loopback(from.host());
        let worse = from.secure() && !to.secure() && !self.config.insecure(to.authority());
        if !plain || inside || worse {
            return Err(Error::environment(format!(
                "{} sends us to {}, where nobody should be sent",
                from.authority(),
                to.origin()
            ))
            .hint("content is fetched with TLS, and not from this machine's own loopback"));
        }
        Ok(to)
    }

    /// Where an upload goes on. Another host gets the bytes, never the pass.
    pub fn next(&self, from: &Url, answer: &Response) -> std::result::Result<Url, Failed> {
        if answer.header("location").is_none() {
            let text = format!("{} does not say where to upload to", from.authority());
            return Err(Failed::Final(Error::environment(text)));
        }
        let to = self.follow(from, answer);
        // A registry behind a proxy that ends TLS for it often believes that
        // it speaks plain HTTP.
        let to = to.or_else(|e| {
            let own = from.join(answer.header("location").unwrap_or_default())?;
            let own = own.with_security(from.secure());
            if own.host() == from.host() {
                Ok(own)
            } else {
                Err(e)
            }
        });
        to.map_err(Failed::Final)
    }

    /// What an answer other than the hoped-for means.
    pub fn explain(&self, answer: Response, url: &Url, purpose: &Purpose, what: What<'_>) -> Error {
        let known = self.auth.has_credentials(purpose);
        let withheld = self.auth.withheld_from(purpose);
        failure::of(answer, url.authority(), what, known, withheld.as_deref())
    }
}

/// What no answer means for the next attempt.
pub(crate) fn failed(trouble: Trouble, host: &str) -> Failed {
    let passing = trouble.may_pass();
    let error = trouble.explain(host);
    if passing {
        Failed::Passing(error, None)
    } else {
        Failed::Final(error)
    }
}
