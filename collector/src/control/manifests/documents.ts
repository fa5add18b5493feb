/** The documents of a manifest file as plain JSON values: bounded, and read as `kubectl` reads them. */
import { isScalar, Lexer, parseAllDocuments, type Tags, visit } from 'yaml';
import { DEPTH, DOCUMENTS, ManifestError, VALUES, WORDS } from './limits.ts';

/** Types of YAML 1.1 that JSON does not have; the sexagesimal numbers among them would be addresses and times. */
const NOT_JSON = new Set(['binary', 'omap', 'pairs', 'set', 'timestamp'].map((name) => `tag:yaml.org,2002:${name}`));

/** YAML 1.1, because `yes`, `on` and 010 are what they are to Kubernetes' own tools. */
const OPTIONS = {
  version: '1.1',
  logLevel: 'silent',
  prettyErrors: true,
  uniqueKeys: true,
  resolveKnownTags: false,
  customTags: (tags: Tags): Tags =>
    tags.filter((tag) => typeof tag === 'string' || (!NOT_JSON.has(tag.tag) && tag.format !== 'TIME')),
} as const;

/** Anchors that may be used again within one document, and how much longer it may become by that. */
const MOST_ALIASES = 100;

/**
 * @param name of the file: JSON is what ends in `.json`
 * @throws ManifestError
 */
export function documentsOf(name: string, text: string): unknown[] {
  const documents = name.endsWith('.json') ? [json(text)] : yaml(text);
  return documents.map(bounded).filter((document) => document !== null);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ManifestError('InvalidJson', `it is no JSON (${(cause as Error).message})`, cause);
  }
}

function yaml(text: string): unknown[] {
  countWords(text);
  const documents = parseAllDocuments(text, OPTIONS);
  if (!Array.isArray(documents)) return [];
  if (documents.length > DOCUMENTS) throw new ManifestError('TooManyDocuments', `more than ${DOCUMENTS} documents`);
  return documents.map((document) => {
    // What is only a warning to the parser, such as a type that it does not know, would be read as something else.
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw invalid(problem);
    visit(document, {
      Pair(_, { key }) {
        if (key !== null && !isScalar(key)) throw new ManifestError('InvalidYaml', 'a key is a list or mapping');
      },
    });
    try {
      return document.toJS({ maxAliasCount: MOST_ALIASES }) ?? null;
    } catch (cause) {
      throw invalid(cause as Error);
    }
  });
}

/** Before anything is built of it: words cost memory, and brackets within brackets a stack. */
function countWords(text: string): void {
  let words = 0;
  let depth = 0;
  for (const word of new Lexer().lex(text)) {
    words += 1;
    if (word === '[' || word === '{') depth += 1;
    else if (word === ']' || word === '}') depth -= 1;
    if (depth > DEPTH) throw tooDeep();
    if (words > WORDS) {
      const message = `more than ${WORDS} words and marks: split the file, or write it as JSON`;
      throw new ManifestError('TooLarge', message);
    }
  }
}

function invalid(problem: Error): ManifestError {
  // Of lists in lists without brackets, the parser's stack is the bound.
  if (problem instanceof RangeError || problem.message.startsWith('Maximum call stack')) return tooDeep();
  const [message = ''] = problem.message.split('\n');
  return new ManifestError('InvalidYaml', `it is no YAML that can be read (${message.replace(/:$/, '')})`, problem);
}

function tooDeep(): ManifestError {
  return new ManifestError('TooDeep', `more than ${DEPTH} lists and mappings within one another`);
}

/** The same value, if it is JSON and small; a copy, in which nothing is shared. */
function bounded(value: unknown): unknown {
  let left = VALUES;
  const copy = (part: unknown, depth: number): unknown => {
    left -= 1;
    if (left < 0) throw new ManifestError('TooLarge', `a document of more than ${VALUES} values`);
    if (depth > DEPTH) throw tooDeep();
    if (Array.isArray(part)) return part.map((item) => copy(item, depth + 1));
    if (typeof part === 'object' && part !== null) {
      return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, copy(inner, depth + 1)]));
    }
    if (typeof part === 'string' && !part.isWellFormed())
      throw new ManifestError('InvalidText', 'text that is no Unicode');
    if (typeof part === 'number' && !Number.isFinite(part)) {
      throw new ManifestError('InvalidNumber', `${part} is no number of JSON`);
    }
    return part;
  };
  return copy(value, 0);
}
