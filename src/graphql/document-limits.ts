import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationRule,
} from 'graphql';
import { limitError } from './limit-error.ts';
import { MAX_ALIASES, MAX_DEPTH, MAX_INTROSPECTION_DEPTH, MAX_ROOT_FIELDS } from './limits.ts';

/** The size of one selection set, with its fragments put in place. */
interface Size {
  /** Levels of fields. */
  depth: number;
  /** Levels of fields below `__schema` and `__type`. */
  introspectionDepth: number;
  aliases: number;
  /** Fields on the first level. */
  fields: number;
}

const EMPTY: Size = { depth: 0, introspectionDepth: 0, aliases: 0, fields: 0 };

/** Refuses documents that are deeper, wider or more aliased than `limits.ts` allows. */
export const documentLimitsRule: ValidationRule = (context) => ({
  Document(document) {
    const measure = sizeOf(document);
    for (const definition of document.definitions) {
      if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
      const size = measure(definition.selectionSet);
      const checks = [
        ['levels of fields', size.depth, MAX_DEPTH],
        ['levels of introspection', size.introspectionDepth, MAX_INTROSPECTION_DEPTH],
        ['aliases', size.aliases, MAX_ALIASES],
        ['root fields', size.fields, MAX_ROOT_FIELDS],
      ] as const;
      for (const [what, found, limit] of checks) {
        if (found > limit) context.reportError(limitError(what, found, limit));
      }
    }
  },
});

/**
 * A function that measures selection sets of `document`. Each fragment is measured once, however often it is used, so
 * that fragments of fragments cost no more than their length. Cycles are refused by another rule and end here.
 */
function sizeOf(document: DocumentNode): (selectionSet: SelectionSetNode) => Size {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measured = new Map<string, Size>();

  const ofFragment = (name: string): Size => {
    const known = measured.get(name);
    if (known) return known;
    // Stands while the fragment is being measured: a cycle finds it and stops.
    measured.set(name, EMPTY);
    const fragment = fragments.get(name);
    const size = fragment ? ofSelectionSet(fragment.selectionSet) : EMPTY;
    measured.set(name, size);
    return size;
  };
  const ofSelection = (selection: SelectionNode): Size => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return ofFragment(selection.name.value);
    const inner = selection.selectionSet ? ofSelectionSet(selection.selectionSet) : EMPTY;
    if (selection.kind === Kind.INLINE_FRAGMENT) return inner;
    const isIntrospection = selection.name.value === '__schema' || selection.name.value === '__type';
    return {
      depth: isIntrospection ? 0 : inner.depth + 1,
      introspectionDepth: isIntrospection ? inner.depth + 1 : inner.introspectionDepth,
      aliases: inner.aliases + (selection.alias ? 1 : 0),
      fields: 1,
    };
  };
  const ofSelectionSet = (selectionSet: SelectionSetNode): Size =>
    selectionSet.selections.map(ofSelection).reduce(add, EMPTY);
  return ofSelectionSet;
}

function add(a: Size, b: Size): Size {
  return {
    depth: Math.max(a.depth, b.depth),
    introspectionDepth: Math.max(a.introspectionDepth, b.introspectionDepth),
    aliases: a.aliases + b.aliases,
    fields: a.fields + b.fields,
  };
}
