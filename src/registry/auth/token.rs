//! Tokens: what a realm gives for a password, or for nothing, and a registry
//! lets one in for.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::challenge::Challenge;
use super::{Credentials, Pass, Purpose, basic_header, realm};
use crate::error::{Error, Result};
use crate::registry::config::Config;
use crate::registry::failure;
use crate::registry::http::{Body, Http, Response, Trouble};
use crate::registry::url::{Url, encoded};

/// A token is a few kilobytes.
const LARGEST: u64 = 1 << 20;
/// What a token is good for where nothing is said, as the protocol has it.
const USUAL: u64 = 60;
/// And no longer, whatever is said.
const LONGEST: u64 = 24 * 3600;
/// A token that is about to expire is not begun with.
const MARGIN: u64 = 5;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// The place that hands tokens out.
pub(super) struct Desk<'a> {
    config: &'a Config,
    http: &'a Http,
    home: &'a Url,
    realm: Url,
    service: Option<&'a str>,
}

impl<'a> Desk<'a> {
    /// The one that a challenge names, if it may be asked.
    pub fn new(
        config: &'a Config,
        http: &'a Http,
        home: &'a Url,
        challenge: &'a Challenge,
    ) -> Result<Self> {
        let text = challenge.get("realm").unwrap_or_default();
        let realm = Url::parse(text)
            .map_err(|e| e.context(format!("the realm of {}", home.authority())))?;
        if !realm::may_be_asked(config, home, &realm) {
            return Err(Error::environment(format!(
                "{} sends us to {} for a token, where nobody should be sent",
                home.authority(),
                realm.origin()
            ))
            .hint("tokens are asked for with TLS, and not on this machine's own loopback"));
        }
        Ok(Self {
            config,
            http,
            home,
            realm,
            service: challenge.get("service"),
        })
    }

    /// Asks for a token, with the password only if the realm may see it.
    pub fn ask(
        &self,
        purpose: &Purpose,
        credentials: Option<&Credentials>,
    ) -> std::result::Result<Pass, Trouble> {
        let may = realm::may_see(self.config, self.home, &self.realm);
        let withheld_from =
            (credentials.is_some() && !may).then(|| self.realm.authority().to_owned());
        let answer = match credentials.filter(|_| may) {
            None => self.get(purpose, None)?,
            Some(Credentials::Password { user, password }) => {
                self.get(purpose, Some((user, password)))?
            }
            Some(Credentials::Token(token)) => self.exchange(purpose, token)?,
        };
        let (token, seconds) = self.read(answer, withheld_from.as_deref())?;
        Ok(Pass {
            header: format!("Bearer {token}"),
            until: Some(Instant::now() + Duration::from_secs(seconds)),
            withheld_from,
        })
    }

    fn get(
        &self,
        purpose: &Purpose,
        password: Option<(&str, &str)>,
    ) -> std::result::Result<Response, Trouble> {
        let mut url = self.realm.clone();
        if let Some(service) = self.service {
            url = url.with_query("service", service);
        }
        for scope in &purpose.scopes {
            url = url.with_query("scope", scope);
        }
        let header = password.map(|(user, password)| basic_header(user, password));
        if let Some((user, _)) = password {
            url = url.with_query("account", user);
        }
        let headers: Vec<_> = header
            .iter()
            .map(|h| ("authorization", h.as_str()))
            .collect();
        self.http.send("GET", &url, &headers, Body::None)
    }

    fn exchange(&self, purpose: &Purpose, token: &str) -> std::result::Result<Response, Trouble> {
        let form = format!(
            "grant_type=refresh_token&client_id=rcon&service={}&scope={}&refresh_token={}",
            encoded(self.service.unwrap_or_default()),
            encoded(&purpose.scopes.join(" ")),
            encoded(token)
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.http
            .send("POST", &self.realm, &headers, Body::Bytes(form.as_bytes()))
    }

    fn read(
        &self,
        answer: Response,
        withheld_from: Option<&str>,
    ) -> std::result::Result<(String, u64), Trouble> {
        let host = self.realm.authority();
        match answer.status {
            200 => {}
            400 | 401 | 403 => {
                let refused = failure::refused(self.home.authority(), withheld_from);
                return Err(Trouble::Own(refused));
            }
            status if failure::may_pass(status) => {
                return Err(Trouble::Broken(format!(
                    "the realm {host} answers {status}"
                )));
            }
            status => return Err(Trouble::Own(unusable(host, &format!("status {status}")))),
        }
        let bytes = answer.bytes(LARGEST)?;
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|_| Trouble::Own(unusable(host, "something that is no token")))?;
        let token = answer
            .token
            .filter(|t| !t.is_empty())
            .or(answer.access_token);
        let token = token.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic()));
        let token = token.ok_or_else(|| Trouble::Own(unusable(host, "no token")))?;
        let seconds = answer.expires_in.unwrap_or(USUAL).min(LONGEST);
        Ok((token, seconds.saturating_sub(MARGIN)))
    }
}

fn unusable(host: &str, what: &str) -> Error {
    Error::environment(format!("asked for a token, {host} answers with {what}"))
}
