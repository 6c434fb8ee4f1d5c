//! Writing to a registry: blobs that are not there yet, then the documents
//! that name them.

use std::io::{self, Read, Seek, SeekFrom};

use super::Client;
use super::auth::Purpose;
use super::failure::What;
use super::http::Response;
use super::progress::Watch;
use super::retry::{Attempts, Failed};
use super::session::{Call, Source, Upload};
use super::url::{Url, encoded};
use crate::error::{Error, Result};
use crate::image::manifest::{Descriptor, Document};
use crate::image::reference::{Digest, Reference};

/// How a blob has come to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there before.
    Existed,
    /// The registry had it in another repository.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// What an opened upload has led to.
enum Opened {
    Mounted,
    At(Url),
}

impl Client {
    /// Whether the registry has a blob.
    pub fn has_blob(&self, to: &Reference, digest: &Digest) -> Result<bool> {
        let purpose = Purpose::push(to.domain(), to.path(), &[]);
        self.attempts(Watch::none())
            .until(|| self.ask_for_blob(to, digest, &purpose))
    }

    /// Sees to it that the registry has a blob: where it is there already,
    /// nothing is sent; nor where it is in one of the repositories `from`.
    pub fn push_blob(
        &self,
        to: &Reference,
        blob: &Descriptor,
        source: &mut dyn Source,
        from: &[&str],
        watch: Watch<'_>,
    ) -> Result<Pushed> {
        watch.progress.start(&blob.digest, blob.size);
        let pushed = self.bring(to, blob, source, from, watch);
        let how = match pushed {
            Ok(Pushed::Existed) => "already there",
            Ok(Pushed::Mounted) => "mounted",
            Ok(Pushed::Uploaded) => "pushed",
            Err(_) => "failed",
        };
        watch.progress.done(&blob.digest, how);
        pushed.map_err(|e| e.context(to))
    }

    fn bring(
        &self,
        to: &Reference,
        blob: &Descriptor,
        source: &mut dyn Source,
        from: &[&str],
        watch: Watch<'_>,
    ) -> Result<Pushed> {
        let purpose = Purpose::push(to.domain(), to.path(), from);
        let exists = self
            .attempts(watch)
            .until(|| self.ask_for_blob(to, &blob.digest, &purpose))?;
        if exists {
            return Ok(Pushed::Existed);
        }
        for other in from.iter().filter(|other| **other != to.path()) {
            let mount = || self.open_upload(to, &purpose, Some((&blob.digest, other)));
            if let Opened::Mounted = self.attempts(watch).until(mount)? {
                return Ok(Pushed::Mounted);
            }
        }
        let mut source = Told {
            source,
            blob,
            watch,
            at: 0,
            high: 0,
        };
        self.attempts(watch).until(|| {
            let Opened::At(url) = self.open_upload(to, &purpose, None)? else {
                let text = format!("{} has mounted what it was not asked to", to.domain());
                return Err(Failed::Final(Error::environment(text)));
            };
            let upload = Running {
                client: self,
                to,
                purpose: &purpose,
                blob,
                watch,
            };
            upload.send(url, &mut source)
        })?;
        Ok(Pushed::Uploaded)
    }

    /// Puts a manifest or index under the reference's tag or digest.
    pub fn push_document(&self, to: &Reference, document: &Document) -> Result<()> {
        let purpose = Purpose::push(to.domain(), to.path(), &[]);
        let named = match to.digest() {
            Some(digest) if *digest != document.digest => {
                let text = format!(
                    "{to} cannot name a document with the digest {}",
                    document.digest
                );
                return Err(Error::user(text));
            }
            _ => to.identifier(),
        };
        self.attempts(Watch::none()).until(|| {
            let url = self
                .session
                .url(to.host(), &format!("/v2/{}/manifests/{named}", to.path()))?;
            let answer = self.session.call(Call {
                method: "PUT",
                url: url.clone(),
                purpose: &purpose,
                headers: vec![("content-type", document.media_type.clone())],
                body: Upload::Bytes(&document.bytes),
            })?;
            match answer.status {
                200..=202 => Ok(()),
                _ => Err(Failed::Final(self.refusal(answer, &url, &purpose, to))),
            }
        })
    }

    fn attempts<'a>(&'a self, watch: Watch<'a>) -> Attempts<'a> {
        Attempts::new(&self.session.config.patience, watch)
    }

    fn ask_for_blob(
        &self,
        to: &Reference,
        digest: &Digest,
        purpose: &Purpose,
    ) -> std::result::Result<bool, Failed> {
        let path = format!("/v2/{}/blobs/{digest}", to.path());
        let url = self.session.url(to.host(), &path)?;
        let answer = self.session.call(Call {
            method: "HEAD",
            url: url.clone(),
            purpose,
            headers: Vec::new(),
            body: Upload::Nothing,
        })?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(Failed::Final(self.refusal(answer, &url, purpose, to))),
        }
    }

    /// Opens an upload, or mounts a blob from another repository.
    fn open_upload(
        &self,
        to: &Reference,
        purpose: &Purpose,
        mount: Option<(&Digest, &str)>,
    ) -> std::result::Result<Opened, Failed> {
        let query = mount.map_or(String::new(), |(digest, from)| {
            format!(
                "?mount={}&from={}",
                encoded(&digest.to_string()),
                encoded(from)
            )
        });
        let path = format!("/v2/{}/blobs/uploads/{query}", to.path());
        let url = self.session.url(to.host(), &path)?;
        let answer = self.session.call(Call {
            method: "POST",
            url: url.clone(),
            purpose,
            headers: Vec::new(),
            body: Upload::Bytes(&[]),
        })?;
        match answer.status {
            201 if mount.is_some() => Ok(Opened::Mounted),
            202 => self.session.next(&url, &answer).map(Opened::At),
            _ => Err(Failed::Final(self.refusal(answer, &url, purpose, to))),
        }
    }

    fn refusal(&self, answer: Response, url: &Url, purpose: &Purpose, to: &Reference) -> Error {
        let name = to.familiar_name();
        self.session
            .explain(answer, url, purpose, What::Upload(&name))
    }
}

/// An upload that has been opened.
struct Running<'a> {
    client: &'a Client,
    to: &'a Reference,
    purpose: &'a Purpose,
    blob: &'a Descriptor,
    watch: Watch<'a>,
}

impl Running<'_> {
    /// In one piece if it is small; else in several, each of which can be
    /// tried again without those before it.
    fn send(&self, mut url: Url, source: &mut dyn Source) -> std::result::Result<(), Failed> {
        let chunk = self.client.session.config.chunk.max(1);
        let mut sent = 0;
        if self.blob.size > chunk {
            while sent < self.blob.size {
                let length = chunk.min(self.blob.size - sent);
                url = self.piece(&url, source, sent, length)?;
                sent += length;
            }
        }
        self.close(&url, source, sent)
    }

    /// One piece; says where the next one goes.
    fn piece(
        &self,
        url: &Url,
        source: &mut dyn Source,
        from: u64,
        length: u64,
    ) -> std::result::Result<Url, Failed> {
        let attempts = self.client.attempts(self.watch);
        let next = attempts.until(|| {
            let patch = self.patch(url, &mut *source, from, length);
            // The piece may have arrived although its answer has not.
            match patch {
                Err(Failed::Passing(e, wait)) => match self.arrived(url) {
                    Some((all, next)) if all == from + length => Ok(next),
                    _ => Err(Failed::Passing(e, wait)),
                },
                other => other,
            }
        });
        next.map_err(Failed::Final)
    }

    fn patch(
        &self,
        url: &Url,
        source: &mut dyn Source,
        from: u64,
        length: u64,
    ) -> std::result::Result<Url, Failed> {
        let session = &self.client.session;
        let answer = session.call(Call {
            method: "PATCH",
            url: url.clone(),
            purpose: self.purpose,
            headers: vec![
                ("content-type", "application/octet-stream".to_owned()),
                ("content-range", format!("{from}-{}", from + length - 1)),
            ],
            body: Upload::Piece(source, from, length),
        })?;
        if answer.status != 202 {
            return Err(Failed::Final(self.client.refusal(
                answer,
                url,
                self.purpose,
                self.to,
            )));
        }
        session.next(url, &answer)
    }

    /// How many bytes the registry has, and where the next ones go.
    fn arrived(&self, url: &Url) -> Option<(u64, Url)> {
        let session = &self.client.session;
        let answer = session.call(Call {
            method: "GET",
            url: url.clone(),
            purpose: self.purpose,
            headers: Vec::new(),
            body: Upload::Nothing,
        });
        let answer = answer.ok().filter(|a| a.status == 204)?;
        let last: u64 = answer.header("range")?.rsplit('-').next()?.parse().ok()?;
        Some((last + 1, session.next(url, &answer).ok()?))
    }

    /// The last request, with what has not been sent yet.
    fn close(
        &self,
        url: &Url,
        source: &mut dyn Source,
        sent: u64,
    ) -> std::result::Result<(), Failed> {
        let url = url.with_query("digest", &self.blob.digest.to_string());
        let left = self.blob.size - sent;
        let body = match left {
            0 => Upload::Bytes(&[]),
            _ => Upload::Piece(source, sent, left),
        };
        let answer = self.client.session.call(Call {
            method: "PUT",
            url: url.clone(),
            purpose: self.purpose,
            headers: vec![("content-type", "application/octet-stream".to_owned())],
            body,
        })?;
        match answer.status {
            201 | 204 => Ok(()),
            _ => Err(Failed::Final(self.client.refusal(
                answer,
                &url,
                self.purpose,
                self.to,
            ))),
        }
    }
}

/// Tells how far the reading has come; what is read again is not told again.
struct Told<'a> {
    source: &'a mut dyn Source,
    blob: &'a Descriptor,
    watch: Watch<'a>,
    at: u64,
    high: u64,
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.go_on().map_err(io::Error::other)?;
        let n = self.source.read(buffer)?;
        self.at += n as u64;
        if self.at > self.high {
            self.watch
                .progress
                .advance(&self.blob.digest, self.at - self.high);
            self.high = self.at;
        }
        Ok(n)
    }
}

impl Seek for Told<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.source.seek(to)?;
        Ok(self.at)
    }
}
