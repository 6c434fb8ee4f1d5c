//! Work on files of one's own, in a browser.

use crate::browser::Browser;
use crate::common::pty::under_pty;
use crate::common::{Need, needs_met};
use crate::kitchen::{Kitchen, Web};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Makes a notebook, runs a cell, and saves.
const WORK: &str = "
const done = arguments[arguments.length - 1];
const pause = () => new Promise(r => setTimeout(r, 100));
(async () => {
  for (let i = 0; i < 300 && !window.jupyterapp; i++) await pause();
  const app = window.jupyterapp;
  await app.started; await app.restored;
  const panel = await app.commands.execute('notebook:create-new',
    {cwd: 'work', kernelName: 'python3'});
  await panel.context.ready; await panel.sessionContext.ready;
  const cell = panel.content.model.cells.get(0);
  cell.sharedModel.setSource('import os; print(6 * 7, os.getuid())');
  await app.commands.execute('notebook:run-all-cells');
  for (let i = 0; i < 300 && cell.outputs.length == 0; i++) await pause();
  await panel.context.save();
  return cell.outputs.toJSON()[0].text;
})().then(done, e => done('failed: ' + e));
";

#[test]
fn a_notebook_is_saved_on_the_host() {
    let tools = ["curl", "chromedriver", "chromium"].map(Need::Tool);
    if !needs_met(&tools) {
        return;
    }
    let Some(k) = Kitchen::new("notebook", &["notebook"]) else {
        return;
    };
    k.build(&["-t", "notebook"]);
    let notes = k.path("notes");
    fs::create_dir(&notes).unwrap();
    let web = Web::new();
    let port = web.publish(8888);
    // A folder of root's, worked in by user 1000, whose files are root's.
    let folder = format!(
        "{}:/home/jovyan/work:idmap=uids=0-1000-1;gids=0-1000-1",
        notes.display()
    );
    let line = [
        "run",
        "-it",
        "--rm",
        "-p",
        &port,
        "-v",
        &folder,
        "notebook",
        "jupyter",
        "lab",
        "--ip=0.0.0.0",
        "--LabApp.expose_app_in_browser=True",
        "--IdentityProvider.token=secret",
    ];
    let mut terminal = under_pty(k.call(&line), 40, 120);
    terminal
        .terminal
        .wait_for("Use Control-C to stop this server");
    assert!(web.get("/lab?token=secret").contains("JupyterLab"));

    let browser = Browser::open(&k.path("browser"));
    browser.go(&web.url("/lab/tree/work?token=secret"));
    assert_eq!(browser.script(WORK), "42 1000\n");
    drop(browser);
    let saved = notes.join("Untitled.ipynb");
    let text = fs::read_to_string(&saved).expect("the notebook");
    assert!(text.contains("6 * 7") && text.contains("42 1000"), "{text}");
    let owner = fs::metadata(&saved).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (0, 0));

    terminal.terminal.type_in("\x03");
    terminal.terminal.wait_for("y/[n]");
    terminal.terminal.type_in("y\n");
    terminal.running.wait();
    assert_eq!(k.ok(&["ps", "-aq"]), "");
}
