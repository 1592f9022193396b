// The page's start: what all parts share is made here, then drawn into #page.
import { signal } from '@preact/signals';
import { render } from 'preact';
import { Shell, useFrameKeys } from './shell.tsx';
import { type App, AppContext } from './state/app.ts';
import { createHandLabels } from './state/hand-labels.ts';
import { followRuns } from './state/live.ts';
import { createRouter } from './state/route.ts';
import { createServer } from './state/server.ts';
import { createTheme } from './state/theme.ts';
import 'uplot/dist/uPlot.min.css';
import './style/base.css';
import './style/parts.css';
import './style/paths.css';
import './style/lists.css';
import './style/print.css';

function start(): App {
  const server = createServer(document);
  return {
    server,
    router: createRouter(window),
    live: followRuns(server, document),
    theme: createTheme(window),
    labels: createHandLabels(server),
    said: signal(''),
    helpIsOpen: signal(false),
  };
}

function Page({ app }: { readonly app: App }) {
  return (
    <AppContext.Provider value={app}>
      <Framed />
    </AppContext.Provider>
  );
}

/** Keys of the frame come after those of the page inside it. */
function Framed() {
  useFrameKeys();
  return <Shell />;
}

const place = document.getElementById('page');
if (place !== null) render(<Page app={start()} />, place);
