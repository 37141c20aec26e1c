/** Patterns and limits shared by schemas, routes and rules. */

export const CLIENT_ID_PATTERN = '^[A-Za-z0-9!@/:.+|_-]+$';
export const ROLE_ID_PATTERN = '^[\\x20-\\x7e]+$';
export const SCOPE_PATTERN = '^[ -~]*$';
/** A position of a log, and what may name a moment: a position, or a time that is checked further. */
export const POSITION_PATTERN = '^[0-9a-f]{12}\\.[0-9]{20,40}$';
export const MOMENT_PATTERN = '^[0-9A-Za-z.:+-]{1,64}$';
export const ACCESS_TOKEN_PATTERN = '^[a-zA-Z0-9_-]{22,66}$';

/** The longest clientId and roleId, in characters. Our own limit, not Taskcluster's. */
export const MAX_ID_LENGTH = 1000;
/** The most characters of a scope that a question names. The work to look for parameters in it grows with their square. */
export const MAX_ASKED_SCOPE_LENGTH = 2000;
export const MAX_DESCRIPTION_LENGTH = 10240;

/** The most entries on one page of a list. */
export const MAX_PAGE_SIZE = 1000;

/** The largest event, in bytes of its encoded data and metadata. */
export const MAX_EVENT_BYTES = 900 * 1024;

/**
 * The largest append: bytes of the encoded data and metadata of all its events, and 256 for each event. The same for
 * every engine, so that each log can be copied into any other. The smallest limit of an engine is 1 MiB (KurrentDB
 * before 25.1).
 */
export const MAX_APPEND_BYTES = 1024 * 1024;

/** The prefix of every clientId that comes from the configuration. */
export const STATIC_PREFIX = 'static/';
/** The prefix of the system actors. Such a client can neither authenticate nor be configured. */
export const INTERNAL_PREFIX = 'static/authledger/';

/** The most characters of a header field, and of a URL. A signature is in the one or, as a bewit, in the other. */
export const MAX_HEADER_FIELD_LENGTH = 16 * 1024;
