//! Screen of `walcast top`: keys, and the picture of the last view.

use std::io;
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::Stylize;
use ratatui::text::{Line, Text};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use walcast_delivery::one_line;

use super::lines::{self, Order};
use super::sample::Sample;
use super::view::View;
use crate::cli::snapshot::ask::Admin;
use crate::printable::printable;
use crate::signals::Signals;

/// Keys that are waiting to be handled; more are read later.
const KEYS_MAX: usize = 16;

/// Time after which the reader of the keyboard notices that the command has ended.
const KEY_WAIT: Duration = Duration::from_millis(200);

const HELP: &str = "q quit  p pause  sort: n name  r rate  c changes  d dead letters";

/// What is shown.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    pub(super) view: View,
    pub(super) order: Order,
    pub(super) is_paused: bool,
    /// Reason for which the view is not the current state.
    pub(super) unanswered: Option<String>,
}

/// Whether the command continues after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Continue,
    Quit,
}

impl Screen {
    pub(super) fn new(view: View) -> Self {
        Self {
            view,
            order: Order::default(),
            is_paused: false,
            unanswered: None,
        }
    }

    /// Handles a key. In the mode of the terminal that reads single keys, Ctrl-C is one.
    pub(super) fn press(&mut self, key: KeyEvent) -> After {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return After::Quit,
            KeyCode::Char('q') | KeyCode::Esc => return After::Quit,
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('n') => self.order = Order::Name,
            KeyCode::Char('r') => self.order = Order::Rate,
            KeyCode::Char('c') => self.order = Order::Changes,
            KeyCode::Char('d') => self.order = Order::DeadLetters,
            _ => {}
        }
        After::Continue
    }

    /// Draws the view; what does not fit is cut off.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let mut head: Vec<Line<'_>> = lines::head(&self.view).into_iter().map(Line::from).collect();
        if let Some(reason) = &self.unanswered {
            head.push(Line::from(format!("no answer: {}", printable(reason))).bold());
        }
        head.push(Line::default());
        let mut tables: Vec<Line<'_>> = lines::tables(&self.view, self.order)
            .into_iter()
            .map(Line::from)
            .collect();
        if let Some(heading) = tables.first_mut() {
            *heading = std::mem::take(heading).bold();
        }
        let height = u16::try_from(head.len()).unwrap_or(u16::MAX);
        let rows = [
            Constraint::Length(height),
            Constraint::Min(0),
            Constraint::Length(1),
        ];
        let [above, below, help] = Layout::vertical(rows).areas(frame.area());
        frame.render_widget(Text::from(head), above);
        frame.render_widget(Text::from(tables), below);
        let paused = if self.is_paused { "  PAUSED" } else { "" };
        frame.render_widget(Line::from(format!("{HELP}{paused}")).reversed(), help);
    }
}

/// Shows the connector until a key or a signal ends it.
pub(super) async fn show(
    admin: &Admin,
    signals: &mut Signals,
    interval: Duration,
    ends_unanswered: bool,
) -> anyhow::Result<()> {
    // An error of the first sample is printed on an unchanged terminal.
    let first = tokio::select! {
        first = Sample::take(admin) => first?,
        _ = signals.next() => return Ok(()),
    };
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let shown = update(&mut terminal, admin, signals, interval, ends_unanswered, first).await;
    let restored = ratatui::try_restore();
    shown?;
    restored.context("cannot restore the terminal")
}

async fn update(
    terminal: &mut DefaultTerminal,
    admin: &Admin,
    signals: &mut Signals,
    interval: Duration,
    ends_unanswered: bool,
    first: Sample,
) -> anyhow::Result<()> {
    let mut screen = Screen::new(View::of(&first, None));
    let mut earlier = first;
    let mut events = events();
    let mut due = Instant::now() + interval;
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        // A sample that a key interrupts is taken again.
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    if screen.press(key) == After::Quit {
                        return Ok(());
                    }
                }
                // Another size is drawn like a key.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("cannot read the keyboard"),
                None => return Ok(()),
            },
            sample = sample_at(admin, due), if !screen.is_paused => {
                match sample {
                    Ok(sample) => {
                        screen.view = View::of(&sample, Some(&earlier));
                        screen.unanswered = None;
                        earlier = sample;
                    }
                    Err(error) if ends_unanswered => return Err(error),
                    Err(error) => screen.unanswered = Some(one_line(error.as_ref())),
                }
                due = Instant::now() + interval;
            }
        }
    }
}

async fn sample_at(admin: &Admin, due: Instant) -> anyhow::Result<Sample> {
    sleep_until(due).await;
    Sample::take(admin).await
}

/// Events of the terminal, until the receiver is dropped.
fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS_MAX);
    tokio::task::spawn_blocking(move || {
        while !sender.is_closed() {
            let event = match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let has_failed = event.is_err();
            if sender.blocking_send(event).is_err() || has_failed {
                return;
            }
        }
    });
    receiver
}
