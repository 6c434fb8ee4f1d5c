//! The lesson as a page: one document, nothing to be fetched beside it.

use super::lesson::{Fact, Lesson, Section, Try};

const STYLE: &str = "\
:root{color-scheme:light dark;--dim:#667;--line:#8884;--head:#0a6c74}\
@media(prefers-color-scheme:dark){:root{--dim:#9aa;--head:#5cc8d0}}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1rem}\
h1{font-size:1.25rem;font-weight:600}\
h2{font-size:1rem;color:var(--head);margin:1.5rem 0 .25rem}\
dl{display:grid;grid-template-columns:8.5rem 1fr;margin:0}\
dt,dd{border-top:1px solid var(--line);padding:.3rem 0;margin:0;overflow-wrap:anywhere}\
dt{font-weight:600;padding-right:.5rem}\
dd small,li small{display:block;color:var(--dim);font-size:.875rem}\
code{font:.9rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
ul{padding-left:1.2rem}li{margin:.4rem 0}\
footer{color:var(--dim);margin-top:2rem;font-size:.875rem}\
@media(max-width:34rem){dl{display:block}dt{padding-bottom:0}\
dd{border:0;padding-top:0}}";

/// Lays it out.
pub fn lay_out(lesson: &Lesson) -> String {
    let sections: String = lesson.sections.iter().map(section).collect();
    let next: String = lesson.next.iter().map(next).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>Hello from a container</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{}</h1>\n{sections}<section>\n<h2>Try next</h2>\n<ul>\n{next}</ul>\n</section>\n\
         <footer>Read afresh with every reload. Also as <a href=\"/text\">text</a> and as \
         <a href=\"/json\">JSON</a>.</footer>\n</body>\n</html>\n",
        escape(&lesson.greeting)
    )
}

fn section(section: &Section) -> String {
    let facts: String = section.facts.iter().map(fact).collect();
    format!(
        "<section>\n<h2>{}</h2>\n<dl>\n{facts}</dl>\n</section>\n",
        escape(section.title)
    )
}

fn fact(fact: &Fact) -> String {
    format!(
        "<dt>{}</dt><dd>{} <small>{}</small></dd>\n",
        escape(&fact.about),
        escape(&fact.is),
        escape(&fact.why)
    )
}

fn next(next: &Try) -> String {
    format!(
        "<li><code>{}</code> <small>{}</small></li>\n",
        escape(&next.command),
        escape(next.shows)
    )
}

/// Whoever chose a name or a value must not be able to write markup with it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let evil = "<script>alert('\"&\"')</script>".to_owned();
        let lesson = Lesson {
            greeting: evil.clone(),
            sections: vec![Section {
                title: "Who",
                facts: vec![Fact {
                    about: evil.clone(),
                    is: evil.clone(),
                    why: evil.clone(),
                }],
            }],
            next: vec![Try {
                command: evil,
                shows: "it",
            }],
        };
        let page = lay_out(&lesson);
        assert!(!page.contains("<script") && !page.contains("alert('"));
        let safe = "&lt;script&gt;alert(&#39;&quot;&amp;&quot;&#39;)&lt;/script&gt;";
        assert_eq!(page.matches(safe).count(), 5);
    }

    #[test]
    fn the_page_needs_nothing_beside_it() {
        let page = lay_out(&Lesson {
            greeting: String::new(),
            sections: Vec::new(),
            next: Vec::new(),
        });
        assert!(page.contains("name=\"viewport\""));
        for outside in ["http:", "https:", "src=", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
