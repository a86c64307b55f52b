import { showUser, startAccount } from "./account.js";
import { credentials, revocation } from "./actions.js";
import { startBreaks } from "./break.js";
import { createCard } from "./card.js";
import { startClocks } from "./clocks.js";
import { byId } from "./dom.js";
import { MODES } from "./exchange.js";
import { startFactor } from "./factor.js";
import { createLab } from "./lab.js";
import { createLog } from "./log.js";
import { startMends } from "./mends.js";
import { createRecorder } from "./recorder.js";
import { startTheme } from "./theme.js";

const KEPT_CARDS = 30;

startTheme();
if (globalThis.isSecureContext) await start();
else byId("insecure").hidden = false;

async function start() {
  const settings = await (await fetch("/playground/settings.json")).json();
  const log = createLog();
  let aheadMs = 0;
  const nowMs = () => performance.now() + aheadMs;
  const clocks = startClocks({ settings, nowMs });
  const recorder = createRecorder({
    onStep(step) {
      log.add(step);
      if (step.source !== "page") return;
      clocks.note(step);
      if (step.form === "none" && step.error === undefined) clocks.noteAnswer(step.received);
    },
  });
  const page = {
    mode: "channel",
    client: newClient("channel"),
    credentials,
    jump(seconds) {
      aheadMs += seconds * 1000;
    },
    setMode,
    revoke: (session) => perform("revoke", revocation(session)),
  };
  const run = createRunner({ page, recorder });
  const lab = createLab({ recorder, credentials, pageToken: () => clocks.token });

  startAccount({ demo: settings.demo, perform });
  startFactor({ perform });
  startBreaks({ lab, mode: () => page.mode, run });
  startMends({ page, settings, recorder, run });
  for (const radio of document.querySelectorAll("[name=mode]")) {
    radio.addEventListener("change", () => run({ kind: "mode", quiet: true, work: () => setMode(radio.value) }));
  }
  await run({ kind: "restore", quiet: true, work: () => page.client.restore() });
  document.documentElement.dataset.ready = "true";

  function perform(kind, { title, input, why, work }) {
    return run({ kind, title, why, input: input(), work: (call) => work(page, call) });
  }

  function newClient(mode) {
    const client = globalThis.configAuth({
      serverUrl: location.origin,
      ...MODES[mode].client,
      fetch: recorder.fetchOf("page"),
      monotonicMs: nowMs,
      inspect(exchange) {
        recorder.inspect(exchange);
        clocks.noteAnswer(exchange.opened);
      },
    });
    client.subscribe(({ user, isLoggedIn, endedBy }) => {
      if (client !== page.client) return;
      showUser(user, endedBy);
      if (!isLoggedIn) clocks.dropToken();
    });
    return client;
  }

  /** Another client, with nothing in memory: the session comes along by its cookie. */
  async function setMode(mode) {
    const wasLoggedIn = page.client.isLoggedIn;
    page.mode = mode;
    page.client = newClient(mode);
    byId(`mode-${mode}`).checked = true;
    clocks.dropChannel();
    clocks.dropToken();
    if (wasLoggedIn) await page.client.restore();
    showUser(page.client.user);
  }
}

/** Runs one call after another, shows each as a card, and says how it ended. Resolves with its code, `ok` for success. */
function createRunner({ page, recorder }) {
  let last = Promise.resolve();
  let count = 0;

  const runOne = async (given) => {
    const call = { id: ++count, steps: [], ...given };
    recorder.begin(call);
    document.body.setAttribute("aria-busy", "true");
    const begunMs = performance.now();
    try {
      await call.work(call);
      call.code ??= "ok";
    } catch (error) {
      call.code = error.code ?? "failed";
      call.message = error.message;
    }
    call.durationMs = performance.now() - begunMs;
    call.modeLabel ??= MODES[page.mode].label;
    document.body.removeAttribute("aria-busy");
    if (!call.quiet) show(call);
    return call.code;
  };
  return (call) => {
    last = last.then(() => runOne(call));
    return last;
  };
}

function show(call) {
  const cards = byId("cards");
  byId("cards-empty").hidden = true;
  for (const details of cards.querySelectorAll("details")) details.open = false;
  const card = createCard(call);
  cards.prepend(card);
  while (cards.children.length > KEPT_CARDS) cards.lastElementChild.remove();
  byId("stage").scrollTop = 0;
  const isNarrow = matchMedia("(max-width: 63.99rem)").matches;
  // What the user has to do next stands beside the controls, not in the card.
  if (call.stayAt !== undefined) call.stayAt.scrollIntoView({ block: isNarrow ? "start" : "nearest" });
  else if (isNarrow) card.scrollIntoView({ block: "start" });
  byId("announcer").textContent =
    call.code === "ok"
      ? `${call.title}: done in ${Math.round(call.durationMs)} milliseconds.`
      : `${call.title}: ${call.code}. ${call.message ?? ""}`;
}
