// Uses what auth.js put into the page: configAuth, login, logout, apiCall.
const form = (id) => document.getElementById(id);
const values = (id) => Object.fromEntries(new FormData(form(id)));

/** Shows what came of a call, the newest first. */
async function show(name, call) {
  const line = document.createElement("li");
  try {
    line.textContent = `${name}: ${JSON.stringify(await call())}`;
  } catch (error) {
    line.textContent = `${name}: ${error.code ?? error.name}. ${error.message}`;
  }
  form("log").prepend(line);
}

/** What fits who is there: nobody can order, and somebody can log out. */
function showUser({ user }) {
  const isNobody = user === undefined;
  for (const id of ["login", "log-in-first"]) form(id).hidden = !isNobody;
  for (const id of ["who", "order"]) form(id).hidden = isNobody;
  form("user").textContent = user?.username ?? "";
}

async function start() {
  const addresses = await (await fetch("/addresses.json")).json();
  const { sello: serverUrl, ...backEnds } = addresses;
  // The token goes to these, and to no address that somebody might slip in.
  const client = configAuth({ serverUrl, apiOrigins: Object.values(backEnds) });
  client.subscribe(showUser);
  await client.restore().catch(() => undefined);

  const read = (path) => {
    const { backend } = values("order");
    return show(`GET ${backend}${path}`, () =>
      apiCall(undefined, addresses[backend] + path, { method: "GET", envelope: "none" }),
    );
  };

  form("login").addEventListener("submit", (event) => {
    event.preventDefault();
    const { user, password } = values("login");
    show("login", () => login(user, password));
  });
  form("logout").addEventListener("click", () => show("logout", () => logout()));
  form("order").addEventListener("submit", (event) => {
    event.preventDefault();
    const { item, backend, envelope } = values("order");
    show(`POST ${backend}/orders, ${envelope}`, () => apiCall({ item }, `${addresses[backend]}/orders`, { envelope }));
  });
  form("list").addEventListener("click", () => read("/orders"));
  form("admin").addEventListener("click", () => read("/admin"));
  document.body.dataset.ready = "true";
}

start();
