//! Which tags a repository has. A registry hands them out page by page.

use serde::Deserialize;

use super::Client;
use super::auth::Purpose;
use super::failure::What;
use super::retry::Failed;
use super::session::{Call, Upload, failed};
use super::url::Url;
use crate::error::{Error, Result};
use crate::image::reference::Reference;

/// What one page may weigh.
const LARGEST: u64 = 4 << 20;
/// More tags than anybody wants to fetch at once.
const MOST: usize = 10_000;
/// Pages, some of which may be empty.
const PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of a repository, each once.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<Reference>> {
        let repository = reference.repository();
        let tags = self.ask_any(&repository, |host, purpose| {
            let path = format!("/v2/{}/tags/list", repository.path());
            let mut url = self.session.url(host, &path)?;
            let mut all = Vec::new();
            for _ in 0..PAGES {
                let (page, next) = self.tags_page(&url, purpose, &repository)?;
                all.extend(page);
                match next {
                    Some(next) if all.len() <= MOST => url = next,
                    _ => break,
                }
            }
            if all.len() > MOST {
                let text = format!("{repository} has more than {MOST} tags");
                return Err(Failed::Final(
                    Error::environment(text).hint("pull those that you want one by one"),
                ));
            }
            Ok(all)
        })?;
        let mut named: Vec<Reference> = Vec::new();
        for tag in tags {
            let tag = repository.with_tag(&tag)?;
            if !named.contains(&tag) {
                named.push(tag);
            }
        }
        Ok(named)
    }

    fn tags_page(
        &self,
        url: &Url,
        purpose: &Purpose,
        repository: &Reference,
    ) -> std::result::Result<(Vec<String>, Option<Url>), Failed> {
        let answer = self.session.call(Call {
            method: "GET",
            url: url.clone(),
            purpose,
            headers: Vec::new(),
            body: Upload::Nothing,
        })?;
        if answer.status != 200 {
            let name = repository.familiar();
            let what = What::Image(&name);
            let error = self.session.explain(answer, url, purpose, what);
            return Err(Failed::Final(error));
        }
        let next = answer.header("link").and_then(next);
        let next = next.map(|to| inside(url, to)).transpose();
        let next = next.map_err(Failed::Final)?;
        let bytes = answer.bytes(LARGEST);
        let bytes = bytes.map_err(|t| failed(t, url.authority()))?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|e| {
            let text = format!("{} sends no list of tags: {e}", url.authority());
            Failed::Final(Error::environment(text))
        })?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// The address of the next page: `</v2/…?last=x>; rel="next"`.
fn next(link: &str) -> Option<&str> {
    let (to, about) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = about.split(';').map(str::trim);
    let mut next = next.filter(|word| matches!(*word, "rel=\"next\"" | "rel=next"));
    next.next().map(|_| to)
}

/// A list goes on where it has begun.
fn inside(from: &Url, to: &str) -> Result<Url> {
    let to = from.join(to)?;
    // Behind a proxy that ends TLS for it, a registry does not know of TLS.
    let to = to.with_security(from.secure());
    if to.origin() == from.origin() {
        return Ok(to);
    }
    Err(Error::environment(format!(
        "{} sends us to {} for more tags",
        from.authority(),
        to.origin()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page() {
        for (link, to) in [
            (
                "</v2/a/tags/list?last=b&n=2>; rel=\"next\"",
                Some("/v2/a/tags/list?last=b&n=2"),
            ),
            ("<https://h/x>; title=\"y\"; rel=next", Some("https://h/x")),
            ("</x>; rel=\"prev\"", None),
            ("/x; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next(link), to, "{link}");
        }
    }

    #[test]
    fn a_list_stays_on_its_host() {
        let from = Url::parse("https://h/v2/a/tags/list").unwrap();
        let to = |text| inside(&from, text).map(|u| u.to_string()).ok();
        assert_eq!(to("/x?n=1").as_deref(), Some("https://h/x?n=1"));
        assert_eq!(to("http://h/x").as_deref(), Some("https://h/x"));
        assert_eq!(to("https://other/x"), None);
    }
}
