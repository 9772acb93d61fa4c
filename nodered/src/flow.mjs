// Makes flows of what the files in tabs/ say: names instead of ids, columns and rows instead of pixels.

import { createHash } from 'node:crypto'

const COLUMN = 220
const ROW = 60
const LEFT = 140
const MARGIN = 40
const TITLE = 40
const NODE_WIDTH = 180

/** The same for the same names, so that a change shows as what it is. */
export const idOf = (...names) => createHash('sha256').update(names.join('/')).digest('hex').slice(0, 16)

/** The configuration node of the house, which every PEMS node names. */
export const SITE = idOf('site')

/**
 * A tab of groups, one below the other.
 * @param {string} label
 * @param {string} info what the tab is for, in Markdown
 * @param {object[]} groups name, note and nodes; a node has type, name, at: [column, row], and to: names it is wired to,
 *   a list for each output. `links` of a link node name `<tab>/<name>`.
 */
export function tab (label, info, groups) {
  const z = idOf(label)
  const id = (name) => idOf(label, name)
  const nodes = [{ id: z, type: 'tab', label, disabled: false, info, env: [] }]
  let top = MARGIN
  for (const group of groups) {
    const rows = Math.max(...group.nodes.map(({ at }) => at[1])) + 1
    const columns = Math.max(...group.nodes.map(({ at }) => at[0])) + 1
    const g = id(`group ${group.name}`)
    const begin = top + TITLE + (group.note ? ROW : 0)
    const members = group.nodes.map((node) => placed(node, { z, g, id, label, begin }))
    if (group.note) members.unshift(comment(id(`note ${group.name}`), group.note, { z, g, y: top + TITLE }))
    const height = TITLE + (group.note ? ROW : 0) + rows * ROW
    nodes.push({
      id: g, type: 'group', z, name: group.name, style: { label: true, stroke: '#999999', fill: '#f4f4f4' },
      nodes: members.map((node) => node.id), x: LEFT - NODE_WIDTH / 2 - 26, y: top, w: columns * COLUMN + 40, h: height
    }, ...members)
    top += height + MARGIN
  }
  return nodes
}

function comment (id, name, { z, g, y }) {
  const [title, ...rest] = name.split('\n')
  return { id, type: 'comment', z, g, name: title, info: rest.join('\n'), x: LEFT + 80, y, wires: [] }
}

function placed ({ at, to = [], links, ...node }, { z, g, id, label, begin }) {
  const lists = to.map((names) => (Array.isArray(names) ? names : [names]).map(id))
  const linked = links === undefined ? {} : { links: links.map((name) => idOf(...name.split('/'))) }
  return { id: id(node.name), z, g, ...node, ...linked, x: LEFT + at[0] * COLUMN, y: begin + at[1] * ROW, wires: lists }
}

/** A PEMS node. */
export const pems = (type, name, at, properties = {}, to = []) => ({ type: `pems-${type}`, name, at, site: SITE, ...properties, to })

/** A button in the editor. */
export const button = (name, at, payload, to, topic = '') => ({
  type: 'inject', name, at, to, props: [{ p: 'payload' }, { p: 'topic', vt: 'str' }], repeat: '', crontab: '', once: false, onceDelay: 0.1,
  topic, payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  payloadType: typeof payload === 'boolean' ? 'bool' : typeof payload === 'object' ? 'json' : 'str'
})

/** Shows what arrives in the sidebar of the editor. */
export const shown = (name, at, complete = 'payload', active = false) => ({
  type: 'debug', name, at, active, tosidebar: true, console: false, tostatus: false, complete, targetType: 'msg', statusVal: '', statusType: 'auto', to: []
})
