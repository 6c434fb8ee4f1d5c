//! A browser that nobody sees, spoken to by its driver's protocol.

use crate::common::registry::free_port;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A window.
pub struct Browser {
    driver: Child,
    base: String,
    session: String,
}

impl Browser {
    /// Opens one; what it keeps goes into `profile`.
    pub fn open(profile: &Path) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver");
        let mut browser = Self {
            driver,
            base: format!("http://127.0.0.1:{port}"),
            session: String::new(),
        };
        let mut args: Vec<String> = [
            "headless",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-dev-shm-usage",
        ]
        .map(|a| format!("--{a}"))
        .to_vec();
        args.push(format!("--user-data-dir={}", profile.display()));
        let wish = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}});
        crate::kitchen::within(30, "the browser opens", || {
            let opened = browser.call("POST", "/session", Some(&wish));
            let id = opened.and_then(|v| v["sessionId"].as_str().map(str::to_owned));
            browser.session = id.unwrap_or_default();
            !browser.session.is_empty()
        });
        browser.ask("POST", "/timeouts", &json!({"script": 90_000}));
        browser
    }

    /// Goes to a page.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// Runs a script that calls its last argument with the outcome.
    #[track_caller]
    pub fn script(&self, text: &str) -> Value {
        self.ask(
            "POST",
            "/execute/async",
            &json!({"script": text, "args": []}),
        )
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.call(method, &path, Some(body))
            .unwrap_or_else(|| panic!("{method} {path}"))
    }

    /// By `curl`: it is what the other examples are asked with.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
        let limit = Duration::from_secs(120).as_secs().to_string();
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail", "--max-time", &limit, "-X", method]);
        if let Some(body) = body {
            command.args([
                "-H",
                "Content-Type: application/json",
                "-d",
                &body.to_string(),
            ]);
        }
        let out = command
            .arg(format!("{}{path}", self.base))
            .output()
            .expect("curl");
        let answer: Value = serde_json::from_slice(&out.stdout).ok()?;
        out.status.success().then(|| answer["value"].clone())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let path = format!("/session/{}", self.session);
        self.call("DELETE", &path, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
