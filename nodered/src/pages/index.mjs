// The pages of the dashboard: their configuration, and one template for each.

import { idOf, pems, tab } from '../flow.mjs'

const BASE = idOf('ui base')
const THEME = idOf('ui theme')
const PAGES = [{ name: 'Now', icon: 'home-lightning-bolt-outline' }]

const configuration = [
  { id: BASE, type: 'ui-base', name: 'PEMS', path: '/dashboard', appIcon: '', includeClientData: true, acceptsClientConfig: ['ui-notification', 'ui-control'], showPathInSidebar: false, headerContent: 'page', navigationStyle: 'default', titleBarStyle: 'default' },
  { id: THEME, type: 'ui-theme', name: 'PEMS', colors: { surface: '#ffffff', primary: '#0a6b57', bgPage: '#f2f4f3', groupBg: '#ffffff', groupOutline: '#d5dad8' }, sizes: { density: 'default', pagePadding: '12px', groupGap: '12px', groupBorderRadius: '4px', widgetGap: '12px' } },
  ...PAGES.flatMap(({ name, icon }, order) => [
    { id: idOf('page', name), type: 'ui-page', name, ui: BASE, path: `/${name.toLowerCase()}`, icon, layout: 'grid', theme: THEME, breakpoints: [{ name: 'Default', px: '0', cols: '12' }], order: order + 1, className: '', visible: true, disabled: false },
    { id: idOf('page group', name), type: 'ui-group', name, page: idOf('page', name), width: '12', height: '1', order: 1, showTitle: false, className: '', visible: true, disabled: false, groupType: 'default' }
  ])
]

const template = (name, at, format) => ({
  type: 'ui-template', name, at, group: idOf('page group', name), page: '', ui: '', order: 1, width: 0, height: 0, head: '', format,
  storeOutMessages: false, passthru: false, resendOnRefresh: true, templateScope: 'local', className: '', to: [['the house']]
})

/** @param {function(string): string} read the text of a file of this folder */
export default (read) => [
  ...configuration,
  ...tab('Pages', 'What the dashboard shows. The pages are made of the files in src/pages; edit them there.', [
    {
      name: 'Pages',
      nodes: [
        pems('house', 'the house', [0, 0], { pages: true }, [PAGES.map(({ name }) => name), PAGES.map(({ name }) => name)]),
        ...PAGES.map(({ name }, row) => template(name, [1, row], read(`${name.toLowerCase()}.vue`)))
      ]
    }
  ])
]
