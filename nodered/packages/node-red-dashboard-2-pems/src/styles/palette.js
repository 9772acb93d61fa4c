/** What each colour means, in both looks. Inks are for text: at least 4.5 to 1 on paper and cards. */

const LIGHT = {
  paper: '#f4f2ec', card: '#ffffff', sunk: '#efece3', line: '#e2ddd0', ink: '#1b2325', soft: '#566060', faint: '#c9c4b6',
  brand: '#0d5c51', 'on-brand': '#fbe3a0', 'brand-ink': '#0d5c51',
  pv: '#e8a912', 'pv-ink': '#855700', 'pv-drop': '#fff3d2',
  battery: '#2f9e6c', 'battery-ink': '#19704a', 'battery-drop': '#dff5ea',
  grid: '#5f6fd8', 'grid-ink': '#4250b5', 'grid-drop': '#e4e7ff',
  house: '#4b8da2', 'house-ink': '#2b6477', 'house-drop': '#ddf0f5',
  heat: '#e2693e', 'heat-ink': '#ae3f19', 'heat-drop': '#ffe6dc',
  price: '#a4559d', 'price-ink': '#833f7d',
  export: '#23a094', 'export-ink': '#0f6d65',
  good: '#19704a', warn: '#8a5300', 'warn-ground': '#fff2d4', bad: '#b3261e', 'bad-ground': '#fde7e4', 'calm-ground': '#e6eef0', danger: '#c62f26', 'on-danger': '#ffffff',
  shade: '0 1px 2px rgb(40 34 20 / 6%), 0 6px 18px rgb(40 34 20 / 5%)', veil: 'rgb(20 26 28 / 42%)'
}

const DARK = {
  paper: '#0e1315', card: '#171f22', sunk: '#11181a', line: '#293438', ink: '#edf1ef', soft: '#a3b0ae', faint: '#3b484c',
  brand: '#f0c65a', 'on-brand': '#0d3f38', 'brand-ink': '#8fd6c6',
  pv: '#f0b731', 'pv-ink': '#f4c862', 'pv-drop': '#5a4207',
  battery: '#45bd86', 'battery-ink': '#6fd5a4', 'battery-drop': '#0d3f2a',
  grid: '#8290ee', 'grid-ink': '#aab4fa', 'grid-drop': '#262f70',
  house: '#63a9bf', 'house-ink': '#8ecadb', 'house-drop': '#12404d',
  heat: '#ec7a4f', 'heat-ink': '#f7a182', 'heat-drop': '#5b210c',
  price: '#c97fc3', 'price-ink': '#e0a5db',
  export: '#3fbfb2', 'export-ink': '#74d6cc',
  good: '#6fd5a4', warn: '#f5c766', 'warn-ground': '#3a2d0d', bad: '#ffa59c', 'bad-ground': '#451a17', 'calm-ground': '#1d2a2e', danger: '#c8382e', 'on-danger': '#ffffff',
  shade: '0 1px 2px rgb(0 0 0 / 40%)', veil: 'rgb(0 0 0 / 60%)'
}

const block = (colours) => Object.entries(colours).map(([name, value]) => `--${name}:${value}`).join(';')

export const palette = [
  `.pems{color-scheme:light;${block(LIGHT)}}`,
  `.pems[data-theme=dark]{color-scheme:dark;${block(DARK)}}`,
  `@media (prefers-color-scheme:dark){.pems[data-theme=auto]{color-scheme:dark;${block(DARK)}}}`
].join('\n')
