/** Where everything is, by the environment or by default. */
export const settings = {
  sello: process.env.SELLO_URL ?? "http://localhost:8080",
  page: "http://localhost:4100",
  express: "http://localhost:4101",
  fastify: "http://localhost:4102",
};

/** @param {string} url */
export const portOf = (url) => Number(new URL(url).port);
