//! One request and its answer. No redirects, no retries, no passwords: those
//! who decide on them are above.

mod own;
mod resolver;
mod roots;
mod trouble;

pub(crate) use trouble::Trouble;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, SendBody};

use super::config::Config;
use super::url::{self, Url};
use crate::error::{Error, Result};

/// Bytes that are read or sent at once.
const BUFFER: usize = 128 << 10;
/// Kept open between two requests.
const IDLE: usize = 8;

/// What is sent along.
pub(crate) enum Body<'a> {
    /// Nothing, not even a length of nothing.
    None,
    /// Bytes at hand.
    Bytes(&'a [u8]),
    /// So many bytes from there.
    Reader(&'a mut dyn Read, u64),
}

/// Headers by name.
pub(crate) type Headers<'a> = [(&'a str, &'a str)];

/// Connections to all hosts.
pub(crate) struct Http {
    config: Arc<Config>,
    agents: Mutex<BTreeMap<String, Agent>>,
    roots: OnceLock<Vec<Certificate<'static>>>,
}

/// What a host has answered.
pub(crate) struct Response {
    /// The three digits.
    pub status: u16,
    headers: ureq::http::HeaderMap,
    body: Box<dyn Read>,
}

impl Http {
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            agents: Mutex::default(),
            roots: OnceLock::new(),
        }
    }

    /// Sends one request and waits for the head of the answer.
    pub fn send(
        &self,
        method: &str,
        url: &Url,
        headers: &Headers<'_>,
        body: Body<'_>,
    ) -> std::result::Result<Response, Trouble> {
        let agent = self.agent(url).map_err(Trouble::Own)?;
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(url.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = match body {
            Body::None => run(&agent, request, ()),
            Body::Bytes(bytes) => run(&agent, request, bytes),
            Body::Reader(mut reader, length) => {
                let request = request.header("content-length", length.to_string());
                run(&agent, request, SendBody::from_reader(&mut reader))
            }
        };
        sent.map(Response::new).map_err(Trouble::from)
    }

    /// Connections to one host, with the trust it deserves.
    fn agent(&self, url: &Url) -> Result<Agent> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&url.origin()) {
            return Ok(agent.clone());
        }
        let agent = self.new_agent(url)?;
        agents.insert(url.origin(), agent.clone());
        Ok(agent)
    }

    fn new_agent(&self, url: &Url) -> Result<Agent> {
        let patience = &self.config.patience;
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("rcon/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.connect))
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .max_response_header_size(64 << 10)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE);
        if url.secure() {
            builder = builder.tls_config(self.tls(url.authority())?);
        }
        // A proxy could not reach this machine's own loopback.
        if url::is_loopback(url.host()) {
            builder = builder.proxy(None);
        }
        Ok(Agent::with_parts(
            builder.build(),
            DefaultConnector::default(),
            resolver::Resolver,
        ))
    }

    fn tls(&self, authority: &str) -> Result<TlsConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let own = own::for_registry(&self.config, authority, &provider)?;
        let builder = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .client_cert(own);
        if self.config.insecure(authority) {
            return Ok(builder.disable_verification(true).build());
        }
        let mut roots = self.roots.get_or_init(roots::of_host).clone();
        roots.extend(roots::for_registry(&self.config, authority)?);
        if roots.is_empty() {
            return Err(Error::environment(
                "there are no certificates on this machine to check others by",
            )
            .hint("install ca-certificates, or name a file in SSL_CERT_FILE"));
        }
        Ok(builder
            .root_certs(RootCerts::new_with_certs(&roots))
            .build())
    }
}

fn run(
    agent: &Agent,
    request: ureq::http::request::Builder,
    body: impl ureq::AsSendBody,
) -> std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let request = request.body(body).map_err(ureq::Error::Http)?;
    agent.run(request)
}

impl Response {
    fn new(response: ureq::http::Response<ureq::Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.into_with_config().limit(u64::MAX).reader();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Box::new(body),
        }
    }

    /// A header, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that may be there several times.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = self.headers.get_all(name).into_iter();
        all.filter_map(|value| value.to_str().ok())
    }

    /// How long the body is said to be.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The body as it comes in.
    pub fn body(&mut self) -> &mut dyn Read {
        &mut self.body
    }

    /// The whole body, if it is no larger than `limit`.
    pub fn bytes(mut self, limit: u64) -> std::result::Result<Vec<u8>, Trouble> {
        let too_long = || {
            Trouble::Own(Error::environment(format!(
                "an answer of more than {limit} bytes"
            )))
        };
        if self.length().is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        let mut body = (&mut self.body).take(limit + 1);
        body.read_to_end(&mut bytes).map_err(Trouble::of_io)?;
        if bytes.len() as u64 > limit {
            return Err(too_long());
        }
        Ok(bytes)
    }
}
