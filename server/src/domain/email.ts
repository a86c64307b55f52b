const MAX_LENGTH = 254;
/** RFC 5321 section 4.1.2: Dot-string. Quoted and non-ASCII local parts are refused: no two mailboxes may look alike. */
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
/** The last label is not all digits (RFC 3696 section 2): an IPv4 address, which has many spellings, is no domain. */
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/;

/**
 * The canonical form under which an email is unique: NFKC, lower case, the domain in its ASCII form (RFC 5890).
 * Undefined when the text is no address of at most 254 characters.
 */
export function canonicalEmail(text: string): string | undefined {
  if (text.length > MAX_LENGTH || !text.isWellFormed()) return undefined;
  const folded = text.trim().normalize("NFKC").toLowerCase();
  const at = folded.lastIndexOf("@");
  const local = folded.slice(0, at);
  if (at < 1 || local.length > 64 || !LOCAL_PART.test(local)) return undefined;
  const domain = asciiDomain(folded.slice(at + 1));
  if (domain === undefined || !DOMAIN.test(domain)) return undefined;
  const email = `${local}@${domain}`;
  return email.length > MAX_LENGTH ? undefined : email;
}

function asciiDomain(domain: string): string | undefined {
  if (/[^\p{L}\p{M}\p{N}.-]/u.test(domain)) return undefined;
  return URL.canParse(`http://${domain}`) ? new URL(`http://${domain}`).hostname : undefined;
}
