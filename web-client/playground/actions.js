import { byId } from "./dom.js";
import { loginText } from "./lab.js";
import { showSessions } from "./sessions.js";

const PAGE_SIZE = 10;

const value = (id) => byId(id).value;

/** What a user does: by the id of the form or button that does it. `input` is the clear text where a refusal hides it. */
export const ACTIONS = {
  login: {
    title: "Log in",
    input: () => loginText(credentials()),
    work: ({ client }) => client.login(credentials()),
  },
  register: {
    title: "Register",
    input: () => JSON.stringify({ ...registration(), use_cookie: true }),
    work: ({ client }) => client.register(registration()),
  },
  me: { title: "Who am I", input: () => "{}", work: ({ client }) => client.me() },
  refresh: { title: "Refresh", input: () => '{"use_cookie":true}', work: ({ client }) => client.refresh() },
  list: {
    title: "List sessions",
    input: () => `{"page_size":${PAGE_SIZE}}`,
    async work({ client, revoke }) {
      const { sessions } = await client.listSessions({ pageSize: PAGE_SIZE });
      showSessions(sessions, revoke);
    },
  },
  change: {
    title: "Change password",
    input: () => JSON.stringify({ current_password: value("current"), new_password: value("next") }),
    work: ({ client }) => client.changePassword({ currentPassword: value("current"), newPassword: value("next") }),
  },
  logout: {
    title: "Log out",
    input: () => "{}",
    async work({ client }) {
      await client.logout();
      showSessions([], () => {});
    },
  },
};

export function credentials() {
  return { identifier: value("identifier"), password: value("password") };
}

function registration() {
  return { email: value("email"), username: value("username"), password: value("new-password") };
}
