// Makes flows.json of the files in src/: `node build.mjs`; `--check` says whether the committed file is what they give.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import pages from './src/pages/index.mjs'
import site from './src/site.mjs'

const here = new URL('.', import.meta.url)
const tabs = readdirSync(new URL('src/tabs/', here)).filter((name) => name.endsWith('.mjs')).sort()
const modules = await Promise.all(tabs.map((name) => import(new URL(`src/tabs/${name}`, here))))
const nodes = [...site, ...modules.flatMap((module) => module.default), ...pages]

const twice = nodes.map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at)
if (twice.length > 0) throw new Error(`two nodes have the same name: ${nodes.filter(({ id }) => twice.includes(id)).map(({ name }) => name).join(', ')}`)
const ids = new Set(nodes.map(({ id }) => id))
for (const node of nodes) {
  for (const to of (node.wires || []).flat()) {
    if (!ids.has(to)) throw new Error(`${node.name} is wired to a node that is not there`)
  }
}

const text = JSON.stringify(nodes, null, 2) + '\n'
const file = new URL('flows.json', here)
if (!process.argv.includes('--check')) {
  writeFileSync(file, text)
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('flows.json is not what src/ gives; run: npm run build')
  process.exit(1)
}
