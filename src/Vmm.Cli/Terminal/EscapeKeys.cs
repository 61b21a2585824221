namespace Vmm.Cli.Terminal;

/// <summary>Finds our own keys in what is typed: Ctrl-A X quits, Ctrl-A Ctrl-A is one Ctrl-A for the guest, Ctrl-A H shows help.</summary>
internal sealed class EscapeKeys(Action quit, Action help)
{
    private const byte ControlA = 1;
    private bool _escaped;

    /// <summary>Takes our keys out of typed bytes.</summary>
    /// <param name="typed">What was typed; the rest stays at its start.</param>
    /// <returns>How many bytes are for the guest.</returns>
    public int Filter(Span<byte> typed)
    {
        int kept = 0;
        foreach (byte key in typed)
        {
            if (!_escaped)
            {
                _escaped = key == ControlA;
                if (!_escaped)
                {
                    typed[kept++] = key;
                }

                continue;
            }

            _escaped = false;
            switch (key)
            {
                case (byte)'x' or (byte)'X' or ('x' & 0x1F):
                    quit();
                    break;
                case (byte)'h' or (byte)'H' or (byte)'?':
                    help();
                    break;
                case ControlA or (byte)'a':
                    typed[kept++] = ControlA;
                    break;
            }
        }

        return kept;
    }
}
