//! Reading from a registry: documents, and blobs as they come in.
//!
//! Nothing is believed until its sum is that which it was asked for by. A
//! connection that drops is taken up again where it broke.

use std::io::Write;

use super::Client;
use super::auth::Purpose;
use super::failure::What;
use super::http::{Response, Trouble};
use super::progress::Watch;
use super::retry::{Attempts, Failed};
use super::session::{Call, Upload, failed};
use super::url::Url;
use crate::error::{Error, Result};
use crate::image::manifest::{
    Content, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Document, LARGEST_DOCUMENT, Manifest,
    OCI_INDEX, OCI_MANIFEST,
};
use crate::image::platform::{self, Platform};
use crate::image::reference::{Digest, Hasher, Reference};

/// An index in an index in an index is nobody's honest image.
const DEEPEST: usize = 3;
/// Bytes that are hashed and written at once.
const BUFFER: usize = 128 << 10;

/// An image as the registry has it, for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The indexes that led there, the outermost first; often none.
    pub indexes: Vec<Document>,
    /// The manifest, to the byte.
    pub document: Document,
    /// What it says.
    pub manifest: Manifest,
}

impl Resolved {
    /// What the image is known by: the sum of the outermost document.
    pub fn digest(&self) -> &Digest {
        &self.indexes.first().unwrap_or(&self.document).digest
    }
}

impl Client {
    /// Finds the image for one machine: through indexes, to its manifest.
    pub fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<Resolved> {
        let mut document = self.document(reference)?;
        let mut indexes = Vec::new();
        loop {
            let context = |e: Error| e.context(reference);
            let entries = match document.content().map_err(context)? {
                Content::Index(entries) => entries,
                Content::Manifest(manifest) => {
                    return Ok(Resolved {
                        indexes,
                        document,
                        manifest,
                    });
                }
            };
            let entry = platform::choose(&entries, platform);
            let entry = entry.ok_or_else(|| context(platform::none_fits(&entries, platform)))?;
            if indexes.len() == DEEPEST {
                let text = "invalid manifest: its indexes are nested too deep";
                return Err(context(Error::environment(text)));
            }
            indexes.push(document);
            document = self.described(reference, entry)?;
        }
    }

    /// The manifest or index that a name stands for.
    pub fn document(&self, reference: &Reference) -> Result<Document> {
        self.ask_any(reference, |host, purpose| {
            let path = format!(
                "/v2/{}/manifests/{}",
                reference.path(),
                reference.identifier()
            );
            let sent = self.read_document(host, &path, purpose, reference)?;
            let document = Document::read(sent.bytes, sent.media_type.as_deref());
            let document = document.map_err(|e| Failed::Final(e.context(reference)))?;
            let wanted = reference.digest().cloned().or(sent.digest);
            check(&document, wanted.as_ref(), reference).map_err(Failed::Final)?;
            Ok(document)
        })
    }

    /// The manifest or index that a descriptor names.
    pub fn described(&self, reference: &Reference, entry: &Descriptor) -> Result<Document> {
        let exact = reference.with_digest(entry.digest.clone());
        let document = self.document(&exact)?;
        if document.media_type != entry.media_type || document.bytes.len() as u64 != entry.size {
            return Err(Error::environment(format!(
                "{exact} is not of the kind and length that its index says"
            )));
        }
        Ok(document)
    }

    fn read_document(
        &self,
        host: &str,
        path: &str,
        purpose: &Purpose,
        reference: &Reference,
    ) -> std::result::Result<Sent, Failed> {
        let url = self.session.url(host, path)?;
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let answer = self.session.call(Call {
            method: "GET",
            url: url.clone(),
            purpose,
            headers: vec![("accept", accept)],
            body: Upload::Nothing,
        })?;
        if answer.status != 200 {
            let name = reference.familiar();
            let what = What::Image(&name);
            return Err(Failed::Final(
                self.session.explain(answer, &url, purpose, what),
            ));
        }
        let told = answer.header("content-type").map(str::to_owned);
        let said = answer.header("docker-content-digest").map(Digest::parse);
        let said = said
            .transpose()
            .map_err(|e| Failed::Final(e.context(host)))?;
        let bytes = answer
            .bytes(LARGEST_DOCUMENT)
            .map_err(|t| failed(t, host))?;
        Ok(Sent {
            bytes,
            media_type: told,
            digest: said,
        })
    }

    /// Fetches a blob into `sink`, checked as it arrives. After an error the
    /// sink holds bytes that are good for nothing.
    pub fn fetch_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<()> {
        self.fetch(reference, Taken::new(blob, sink, watch).summed())
    }

    /// The same for a sink that takes the sum itself: it is not taken twice.
    pub fn fetch_unsummed(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<()> {
        self.fetch(reference, Taken::new(blob, sink, watch))
    }

    fn fetch(&self, reference: &Reference, mut taken: Taken<'_>) -> Result<()> {
        let (blob, watch) = (taken.blob, taken.watch);
        watch.progress.start(&blob.digest, blob.size);
        let fetched = self
            .fetch_from_any(reference, &mut taken)
            .and_then(|()| taken.finish());
        let how = if fetched.is_ok() {
            "complete"
        } else {
            "failed"
        };
        watch.progress.done(&blob.digest, how);
        fetched.map_err(|e| e.context(reference))
    }

    /// A small blob, like a configuration, in memory.
    pub fn fetch_bytes(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>> {
        if blob.size > limit {
            return Err(Error::environment(format!(
                "{} is {} bytes long, and no more than {limit} can be",
                blob.digest, blob.size
            )));
        }
        let mut bytes = Vec::with_capacity(blob.size as usize);
        self.fetch_blob(reference, blob, &mut bytes, Watch::none())?;
        Ok(bytes)
    }

    /// Mirrors first; what one has begun the next one continues.
    fn fetch_from_any(&self, reference: &Reference, taken: &mut Taken<'_>) -> Result<()> {
        let mut failures = Vec::new();
        for host in self.session.config.sources(reference.domain()) {
            let purpose = purpose_of(reference, &host);
            let mut attempts = Attempts::new(&self.session.config.patience, taken.watch);
            loop {
                taken.watch.go_on()?;
                let before = taken.length;
                match self.fetch_some(&host, reference, &purpose, taken) {
                    Ok(()) => return Ok(()),
                    Err(failed) => {
                        if taken.length > before {
                            attempts.came_further();
                        }
                        if let Err(e) = attempts.after(failed) {
                            failures.push(e);
                            break;
                        }
                    }
                }
            }
            // Bytes that are wrong stay wrong wherever the rest comes from.
            if taken.spoilt {
                break;
            }
        }
        Err(the_last(failures))
    }

    /// One connection's worth of a blob.
    fn fetch_some(
        &self,
        host: &str,
        reference: &Reference,
        purpose: &Purpose,
        taken: &mut Taken<'_>,
    ) -> std::result::Result<(), Failed> {
        let digest = taken.blob.digest.to_string();
        let path = format!("/v2/{}/blobs/{digest}", reference.path());
        let url = self.session.url(host, &path)?;
        let mut headers = vec![("accept-encoding", "identity".to_owned())];
        if taken.length > 0 {
            headers.push(("range", format!("bytes={}-", taken.length)));
        }
        let answer = self.session.call(Call {
            method: "GET",
            url: url.clone(),
            purpose,
            headers,
            body: Upload::Nothing,
        })?;
        let skip = match answer.status {
            200 => taken.length,
            206 if taken.length > 0 => {
                taken.check_range(&answer, &url).map_err(Failed::Final)?;
                0
            }
            _ => {
                let what = What::Blob(&digest);
                return Err(Failed::Final(
                    self.session.explain(answer, &url, purpose, what),
                ));
            }
        };
        taken.take(answer, skip, &url)
    }

    /// Asks the mirrors and then the registry itself; the registry's own word
    /// is the last.
    pub(super) fn ask_any<T>(
        &self,
        reference: &Reference,
        ask: impl Fn(&str, &Purpose) -> std::result::Result<T, Failed>,
    ) -> Result<T> {
        let mut failures = Vec::new();
        for host in self.session.config.sources(reference.domain()) {
            let purpose = purpose_of(reference, &host);
            let attempts = Attempts::new(&self.session.config.patience, Watch::none());
            match attempts.until(|| ask(&host, &purpose)) {
                Ok(found) => return Ok(found),
                Err(e) => failures.push(e),
            }
        }
        Err(the_last(failures))
    }
}

/// A document with what its sender says of it.
struct Sent {
    bytes: Vec<u8>,
    media_type: Option<String>,
    digest: Option<Digest>,
}

/// The registry's own word counts. That its mirrors were of no use is said
/// beside it: one that is dead or set up wrongly would stay unseen.
fn the_last(mut failures: Vec<Error>) -> Error {
    let Some(last) = failures.pop() else {
        return Error::internal("no source to ask");
    };
    if failures.is_empty() {
        return last;
    }
    let before: Vec<&str> = failures.iter().map(Error::what).collect();
    let before = format!("asked before: {}", before.join("; "));
    let hint = last.remedy().map(|hint| format!("{hint}; {before}"));
    last.hint(hint.unwrap_or(before))
}

/// A mirror is let in by what is known for the mirror.
fn purpose_of(reference: &Reference, host: &str) -> Purpose {
    let domain = if host == reference.host() {
        reference.domain()
    } else {
        host
    };
    Purpose::pull(domain, reference.path())
}

fn check(document: &Document, wanted: Option<&Digest>, reference: &Reference) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let mut hasher = Hasher::new(wanted.algorithm());
    hasher.update(&document.bytes);
    let got = hasher.finish();
    if got == *wanted {
        return Ok(());
    }
    Err(Error::environment(format!(
        "the manifest of {reference} is not what it should be: {got} instead of {wanted}"
    )))
}

/// What has come of a blob.
struct Taken<'a> {
    blob: &'a Descriptor,
    sink: &'a mut dyn Write,
    watch: Watch<'a>,
    hasher: Option<Hasher>,
    length: u64,
    spoilt: bool,
}

impl<'a> Taken<'a> {
    fn new(blob: &'a Descriptor, sink: &'a mut dyn Write, watch: Watch<'a>) -> Self {
        Self {
            hasher: None,
            blob,
            sink,
            watch,
            length: 0,
            spoilt: false,
        }
    }

    fn summed(mut self) -> Self {
        self.hasher = Some(Hasher::new(self.blob.digest.algorithm()));
        self
    }

    /// Whether the answer goes on where the last one broke.
    fn check_range(&self, answer: &Response, url: &Url) -> Result<()> {
        let range = answer.header("content-range").unwrap_or_default();
        let parts = range.strip_prefix("bytes ").and_then(|r| r.split_once('/'));
        let fine = parts.is_some_and(|(span, all)| {
            let start = span.split('-').next().and_then(|s| s.parse().ok());
            let all = (all == "*").then_some(self.blob.size).or(all.parse().ok());
            start == Some(self.length) && all == Some(self.blob.size)
        });
        if fine {
            return Ok(());
        }
        Err(Error::environment(format!(
            "asked for the rest of {}, {} sends {range:?}",
            self.blob.digest,
            url.authority()
        )))
    }

    /// Takes what comes; the first `skip` bytes are known already.
    fn take(
        &mut self,
        mut answer: Response,
        mut skip: u64,
        url: &Url,
    ) -> std::result::Result<(), Failed> {
        let expected = self.blob.size - self.length + skip;
        if let Some(length) = answer.length().filter(|length| *length != expected) {
            return Err(Failed::Final(
                self.wrong_length(&format!("{length} instead of {expected}"), url),
            ));
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            self.watch.go_on().map_err(Failed::Final)?;
            let broke = |e| failed(Trouble::of_io(e), url.authority());
            let n = answer.body().read(&mut buffer).map_err(broke)?;
            if n == 0 {
                break;
            }
            let known = skip.min(n as u64) as usize;
            skip -= known as u64;
            self.add(&buffer[known..n], url).map_err(Failed::Final)?;
        }
        if self.length < self.blob.size {
            let text = format!("after {} of {} bytes", self.length, self.blob.size);
            return Err(failed(Trouble::Broken(text), url.authority()));
        }
        Ok(())
    }

    fn add(&mut self, bytes: &[u8], url: &Url) -> Result<()> {
        if bytes.len() as u64 > self.blob.size - self.length {
            self.spoilt = true;
            return Err(self.wrong_length("more", url));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.sink.write_all(bytes)?;
        self.length += bytes.len() as u64;
        self.watch
            .progress
            .advance(&self.blob.digest, bytes.len() as u64);
        Ok(())
    }

    fn wrong_length(&self, how: &str, url: &Url) -> Error {
        Error::environment(format!(
            "the blob {} from {} has not the length it should have: {how} bytes",
            self.blob.digest,
            url.authority()
        ))
    }

    fn finish(&mut self) -> Result<()> {
        let Some(got) = self.hasher.take().map(Hasher::finish) else {
            return Ok(());
        };
        if got == self.blob.digest {
            return Ok(());
        }
        Err(Error::environment(format!(
            "the blob {} is not what it should be, but {got}",
            self.blob.digest
        ))
        .hint("it was changed on its way or in the registry; try again, or tell who runs that"))
    }
}
