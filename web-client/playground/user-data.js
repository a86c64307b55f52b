import { byId } from "./dom.js";
import { createProfile } from "./user-data.min.js";

const value = (id) => byId(id).value;
const password = () => value("private-password");

/** The user's data in its classes, by the id of the form or button. Data is JSON, so that any message of `userdata.proto` will do. */
export const USER_DATA_ACTIONS = {
  "save-profile": {
    title: "Save the profile",
    input: () => `{"data_public":${value("data-public")},"data_protected":${value("data-protected")}}`,
    work: async ({ client }) =>
      createProfile(client).updateProfile({
        dataPublic: JSON.parse(value("data-public")),
        dataProtected: JSON.parse(value("data-protected")),
      }),
  },
  "read-profile": {
    title: "Read the profile",
    input: () => "{}",
    work: ({ client }) => createProfile(client).getProfile({}),
  },
  "save-private": {
    title: "Save the private data",
    input: () => `{"password":${JSON.stringify(password())},"data_private":${value("data-private")}}`,
    work: async ({ client }) =>
      createProfile(client).updatePrivateData({
        password: password(),
        dataPrivate: JSON.parse(value("data-private")),
      }),
  },
  unlock: {
    title: "Unlock the private data",
    input: () => JSON.stringify({ password: password() }),
    work: ({ client }) => createProfile(client).unlockPrivateData({ password: password() }),
  },
};
