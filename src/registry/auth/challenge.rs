//! `WWW-Authenticate`: how a host says what it wants to see first.

/// One way to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `basic` or `bearer`, in lower case.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        all.find(|(key, _)| key == name).map(|(_, v)| v.as_str())
    }
}

/// Reads a header; what makes no sense ends it.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = header.trim_start();
    let mut found: Vec<Challenge> = Vec::new();
    while !rest.is_empty() {
        let Some((word, after)) = token(rest) else {
            break;
        };
        rest = after.trim_start();
        match (rest.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let Some((value, after)) = value_of(value.trim_start()) else {
                    break;
                };
                let name = word.to_ascii_lowercase();
                challenge.parameters.push((name, value));
                rest = after;
            }
            (Some(_), None) => break,
            (None, _) => found.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: Vec::new(),
            }),
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    found
}

fn token(text: &str) -> Option<(&str, &str)> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !fine(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn challenges_are_read() {
        let all = parse(
            r#"Bearer realm="https://a/t",service="x, \"y\"" , scope=z, BASIC Realm = "b",Negotiate"#,
        );
        let schemes: Vec<_> = all.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["bearer", "basic", "negotiate"]);
        assert_eq!(all[0].get("realm"), Some("https://a/t"));
        assert_eq!(all[0].get("service"), Some("x, \"y\""));
        assert_eq!(all[0].get("scope"), Some("z"));
        assert_eq!(all[1].get("realm"), Some("b"));
    }

    #[test]
    fn what_makes_no_sense_ends_it() {
        for (text, count) in [
            ("", 0),
            ("=", 0),
            ("a=b", 0),
            ("Basic realm=\"x", 1),
            ("Basic ;", 1),
        ] {
            assert_eq!(parse(text).len(), count, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,60}|[a-c=\", \\\\]{0,30}") {
            let _ = parse(&text);
        }
    }
}
