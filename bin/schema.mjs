/**
 * The JSON Schema of what --json prints, made of the types that commands declare for their results: the types say
 * what there is, their docstrings what it means. So the schema cannot differ from the code.
 */
import { API, SignatureKind, SymbolFlags, TypeFlags } from 'typescript/unstable/sync';

/** What is said of an error, whatever the command. */
const ERROR = {
  title: 'error',
  description: 'What a command answers that failed; results may have come before.',
  type: 'object',
  properties: {
    command: { type: 'string' },
    error: {
      type: 'object',
      properties: {
        code: { type: ['string', 'null'], description: "errno's name (ENOENT, EUCLEAN …); null for a wrong use" },
        message: { type: 'string', description: 'the line that is printed without --json' },
      },
      required: ['code', 'message'],
    },
  },
  required: ['command', 'error'],
};

/** The schema of a line of --json: one of `$defs`, which are named after the commands of `groups` (command-groups.ts). */
export function schemaOf(groups) {
  const api = new API({ cwd: process.cwd() });
  try {
    const config = `${process.cwd()}/tsconfig.json`;
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    const types = new Types(project.checker);
    const defs = { error: ERROR };
    for (const { file, results, answering, words } of groups) {
      const answers = resultTypes(project, `${process.cwd()}/${file}`, results);
      if (answers.length !== answering.length) throw new Error(`${results} of ${file} are not one for each command`);
      for (const [i, command] of answering.entries()) {
        const [result, json] = project.checker.getTypeArguments(answers[i]);
        addDefinition(defs, command, types.objects(json, result, command.name), words);
      }
    }
    const names = Object.keys(defs).sort();
    return {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'fsio --json',
      description: 'Each line is one of these. Its property `command` says what answers; those of manifest have none.',
      anyOf: names.map((name) => ({ $ref: `#/$defs/${name}` })),
      $defs: Object.fromEntries(names.map((name) => [name, defs[name]])),
    };
  } finally {
    api.close();
  }
}

function resultTypes({ checker, program }, file, name) {
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const type = checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === name));
  return checker.getTypeArguments(type);
}

/**
 * A command of two formats, or of one and of every image, has the answers of both. One that only fails or says
 * nothing has none.
 */
function addDefinition(defs, { name, about, needs = 'file', json }, answers, words) {
  const header = { command: { const: name } };
  if (json === undefined && needs === 'file')
    header.file = { type: 'string', description: 'the open file; absent where none is left' };
  // What has no answer of its own says that it is done, as does what gives several and then has none.
  const shapes = json === undefined ? [{ properties: {} }, ...answers] : answers;
  if (shapes.length === 0) return;
  const all = shapes.map(({ properties, required = [], ...rest }) => {
    // A program that puts something else in the place of the result may leave out who answers.
    const names = json === undefined || words || 'command' in properties;
    return {
      type: 'object',
      ...rest,
      properties: names ? { ...header, ...properties, command: header.command } : properties,
      required: [...new Set([...(names ? ['command'] : []), ...required])],
    };
  });
  const before = defs[name]?.anyOf ?? (defs[name] === undefined ? [] : [defs[name]]);
  const seen = new Map([...before, ...all].map(({ title, description, ...shape }) => [JSON.stringify(shape), shape]));
  const [first, ...more] = seen.values();
  const what = { title: name, description: about };
  defs[name] = more.length === 0 ? { ...what, ...first } : { ...what, anyOf: [first, ...more] };
}

const { Any, Unknown, Undefined, Void, Never, Null, StringLike, NumberLike, BigIntLike, BooleanLike } = TypeFlags;

/** Types as schemas. */
class Types {
  constructor(checker) {
    this.checker = checker;
    this.open = [];
  }

  /** The objects that an answer may be. What its own type does not explain may be explained by the result's. */
  objects(type, result, command) {
    this.command = command;
    this.result = this.members(result);
    return this.members(type)
      .filter(({ flags }) => (flags & (Undefined | Void | Never)) === 0)
      .map((member) => {
        if (member.flags & (Any | Unknown)) throw new Error(`${command}: the type of its results is not known`);
        return this.schema(member);
      });
  }

  members(type) {
    return type.isUnionType() ? type.getTypes() : [type];
  }

  schema(type) {
    if (type.isUnionType()) return this.union(type.getTypes());
    const { flags } = type;
    if (type.isLiteralType()) return { const: typeof type.value === 'bigint' ? Number(type.value) : type.value };
    if (flags & (Any | Unknown)) return {};
    if (flags & Null) return { type: 'null' };
    if (flags & StringLike) return { type: 'string' };
    if (flags & NumberLike) return { type: 'number' };
    if (flags & BigIntLike) return { type: 'integer' };
    if (flags & BooleanLike) return { type: 'boolean' };
    if (this.checker.isTupleType(type)) return this.tuple(type);
    if (this.checker.isArrayType(type))
      return { type: 'array', items: this.schema(this.checker.getTypeArguments(type)[0]) };
    if (type.isObjectType() || type.isIntersectionType() || flags & TypeFlags.NonPrimitive) return this.object(type);
    throw new Error(`${this.command}: no schema for ${this.checker.typeToString(type)}`);
  }

  tuple(type) {
    const items = this.checker.getTypeArguments(type).map((item) => this.schema(item));
    return { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length };
  }

  union(types) {
    const present = types.filter(({ flags }) => (flags & (Undefined | Void)) === 0).map((type) => this.schema(type));
    const constants = present.filter((schema) => 'const' in schema).map((schema) => schema.const);
    const simple = new Set(present.filter(isSimple).map(({ type }) => type));
    // What JavaScript has in two kinds is one kind of number.
    if (simple.has('number')) simple.delete('integer');
    if (constants.includes(true) && constants.includes(false)) simple.add('boolean');
    const values = constants.filter((value) => !simple.has(typeof value));
    const rest = present.filter((schema) => !('const' in schema) && !isSimple(schema));
    const parts = [...new Map(rest.map((schema) => [JSON.stringify(schema), schema])).values()];
    if (values.length > 0) parts.push(values.length === 1 ? { const: values[0] } : { enum: values });
    if (simple.size > 0) parts.push({ type: simple.size === 1 ? [...simple][0] : [...simple] });
    return parts.length === 1 ? parts[0] : { anyOf: parts };
  }

  object(type) {
    if (type.flags & TypeFlags.NonPrimitive) return { type: 'object', properties: {}, additionalProperties: true };
    if (this.open.includes(type.id)) throw new Error(`${this.command}: a type within itself`);
    this.open.push(type.id);
    const properties = {};
    const required = [];
    for (const symbol of this.checker.getPropertiesOfType(type)) {
      const own = this.checker.getTypeOfSymbol(symbol);
      if (own === undefined || own.flags & (Never | Undefined) || this.isFunction(own)) continue;
      const description = this.documentation(symbol);
      properties[symbol.name] = { ...this.schema(own), ...(description === '' ? {} : { description }) };
      const absent = symbol.flags & SymbolFlags.Optional || this.members(own).some(({ flags }) => flags & Undefined);
      if (!absent) required.push(symbol.name);
    }
    const index = this.checker.getIndexInfosOfType(type)[0];
    this.open.pop();
    return {
      type: 'object',
      properties,
      ...(required.length > 0 ? { required } : {}),
      ...(index === undefined ? {} : { additionalProperties: this.schema(index.valueType) }),
    };
  }

  documentation(symbol) {
    const same =
      this.open.length === 1 ? this.result.map((type) => this.checker.getPropertyOfType(type, symbol.name)) : [];
    const known = [symbol, ...same].map((one) => one?.getDocumentationComment(this.checker) ?? '');
    return (known.find((text) => text !== '') ?? '').replaceAll('\n', ' ').trim();
  }

  isFunction(type) {
    return this.checker.getSignaturesOfType(type, SignatureKind.Call).length > 0;
  }
}

const isSimple = (schema) =>
  'type' in schema && !['object', 'array'].includes(schema.type) && Object.keys(schema).length === 1;
