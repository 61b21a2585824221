namespace Vmm.Kernel;

/// <summary>The A20 gate. Closing it remaps guest memory, see <see cref="ExtendedPageTables"/>.</summary>
internal sealed class AddressLine20(Action changed) : IAddressLine20
{
    private volatile bool _enabled = true;

    public bool Enabled
    {
        get => _enabled;
        set
        {
            if (_enabled != value)
            {
                _enabled = value;
                changed();
            }
        }
    }
}
