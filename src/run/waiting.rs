//! A process that waits for another: what it hears meanwhile, and what it
//! makes of silence. What is said is in [`super::channel`], what is done in
//! between in [`super::walk`].

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;

use super::channel::{Channel, Heard, Message};
use super::launch;
use super::program::NotRunnable;
use super::walk::{Child, Done, StepError, Walk};
use crate::error::Error;
use crate::plan::{Action, Actor, Signal};
use crate::sys::{process, socket};

impl Walk<'_> {
    /// The launcher learns of init, which the joiner has made, and lets the
    /// joiner go.
    pub(super) fn adopt(&mut self) -> Done {
        let heard = hear_of_child(&self.channel, &mut self.early, self.patience)?;
        let Some((pid, pidfd)) = heard else {
            // The joiner is gone without a child; it may have said why.
            self.next_message()?;
            return Err(Error::internal("the joiner did not tell of init").into());
        };
        let joiner = self.child.replace(Child { pid, pidfd });
        if let Some(joiner) = joiner {
            process::wait_within(&joiner.pidfd, self.patience)?;
        }
        self.state.pid = pid;
        Ok(())
    }

    pub(super) fn await_signal(&mut self, wanted: Signal) -> Done {
        if let Some(act) = self.meanwhile.take() {
            act()?;
        }
        loop {
            match self.next_message()? {
                (Message::Told(signal), _) if signal == wanted => return Ok(()),
                (Message::Listener(number), _) => self.fetch_listener(number)?,
                (other, _) => {
                    let text = format!("waiting for {wanted:?}, was told {other:?}");
                    return Err(Error::internal(text).into());
                }
            }
        }
    }

    /// The next message that is not a warning. A failure of the other side
    /// becomes ours.
    fn next_message(&mut self) -> Result<Heard, StepError> {
        loop {
            let heard = match self.early.pop_front() {
                Some(early) => Some(early),
                None if !self.channel.speaks_within(self.patience)? => {
                    return Err(launch::silent().into());
                }
                None => self.channel.receive()?,
            };
            match heard {
                Some((Message::Warned(text), _)) => self.warnings.push(text),
                Some((Message::Failed(f), _)) => {
                    return Err(StepError::NotRunnable(NotRunnable {
                        kind: f.kind,
                        errno: Errno::from_raw(f.errno),
                        text: f.text,
                    }));
                }
                Some(message) => return Ok(message),
                None if self.me == Actor::Launcher => return Err(self.lost_child()),
                // Whoever started us is gone, and the start with it.
                None => process::exit_now(1),
            }
        }
    }

    fn lost_child(&self) -> StepError {
        let end = self
            .child
            .as_ref()
            .and_then(|c| process::wait(&c.pidfd).ok());
        let how = match end {
            Some(process::Exit::Signal(libc::SIGKILL)) => {
                "killed: out of memory, or the limit of its cgroup is too small to start in"
                    .to_owned()
            }
            Some(end) => format!("{end:?}"),
            None => "unknown".to_owned(),
        };
        Error::environment(format!(
            "the container's first process ended while it was being set up: {how}"
        ))
        .into()
    }

    /// Init waits for its owner: the launcher that made it, or, when that is
    /// gone, whoever connects to the start socket.
    pub(super) fn await_start(&mut self) -> Done {
        let Some(listener) = self.start_socket.take() else {
            return self.await_signal(Signal::Start);
        };
        // If the launcher dies before the container can be found by its
        // name, nobody could ever start or delete it.
        self.await_signal(Signal::Recorded)?;
        self.channel = Channel(socket::accept(&listener)?);
        drop(listener);
        self.await_signal(Signal::Start)
    }

    fn fetch_listener(&mut self, number: i32) -> Done {
        let child = self
            .child
            .as_ref()
            .ok_or_else(|| Error::internal("a listener of nobody"))?;
        let filter = self.plan.steps.iter().find_map(|s| match &s.action {
            Action::LoadSeccomp { filter } => Some(filter),
            _ => None,
        });
        let filter = filter.ok_or_else(|| Error::internal("a listener of no filter"))?;
        super::listener::pass_on(&child.pidfd, number, filter, &self.state)?;
        Ok(())
    }
}

/// The child that the joiner has made. Init speaks over the same socket and
/// may be faster than its parent: what it says first is kept for later.
fn hear_of_child(
    channel: &Channel,
    early: &mut VecDeque<Heard>,
    patience: Option<Duration>,
) -> crate::error::Result<Option<(i32, OwnedFd)>> {
    loop {
        if !channel.speaks_within(patience)? {
            return Err(launch::silent());
        }
        let Some(heard) = channel.receive()? else {
            return Ok(None);
        };
        match heard {
            (Message::Child(pid), Some(pidfd)) => return Ok(Some((pid, pidfd))),
            other => early.push_back(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_speaks_is_not_waited_for_for_ever() {
        let (ours, _theirs) = Channel::pair().unwrap();
        let patience = Some(Duration::from_millis(20));
        let heard = hear_of_child(&ours, &mut VecDeque::new(), patience);
        assert!(heard.unwrap_err().to_string().contains("does not answer"));
    }

    #[test]
    fn init_may_speak_before_the_joiner() {
        let (ours, theirs) = Channel::pair().unwrap();
        let warning = Message::Warned("no AppArmor".to_owned());
        let ready = Message::Told(Signal::Ready);
        theirs.send(&warning).unwrap();
        theirs.send(&ready).unwrap();
        theirs.send_with(&Message::Child(7), &theirs.0).unwrap();
        let mut early = VecDeque::new();
        let (pid, _) = hear_of_child(&ours, &mut early, None).unwrap().unwrap();
        assert_eq!(pid, 7);
        let kept: Vec<Message> = early.into_iter().map(|(message, _)| message).collect();
        assert_eq!(kept, [warning, ready]);
    }

    #[test]
    fn a_joiner_that_fails_makes_no_child() {
        let (ours, theirs) = Channel::pair().unwrap();
        let warning = Message::Warned("failed".to_owned());
        theirs.send(&warning).unwrap();
        drop(theirs);
        let mut early = VecDeque::new();
        assert!(hear_of_child(&ours, &mut early, None).unwrap().is_none());
        assert_eq!(early.len(), 1);
    }
}
