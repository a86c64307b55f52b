/** What `user-data.min.js` exports, beside auth.js. */
export { createProfile } from "./profile.ts";
export { createVault } from "./vault.ts";
