namespace Vmm.Kernel;

/// <summary>A claim on a range of one of the two I/O spaces.</summary>
internal abstract class RegionClaim(string name, DeviceInstance owner, ulong first, ulong length, AccessWidths widths) : IRegionClaim
{
    private bool _enabled = true;
    private bool _mapped;

    public string Name { get; } = name;

    public DeviceInstance Owner { get; } = owner;

    public ulong First { get; private set; } = first;

    public ulong Length { get; } = length;

    public ulong Last => First + (Length - 1);

    public AccessWidths Widths { get; } = widths;

    /// <summary>Whether the table of the space shows the region now. Guarded by the lock of the space.</summary>
    public bool Mapped
    {
        get => _mapped;
        set
        {
            _mapped = value;
            MappingChanged?.Invoke(value ? First : null);
        }
    }

    /// <summary>Raised when the region shows, with its first address, and when it shows no more, with null.</summary>
    public event Action<ulong?>? MappingChanged;

    /// <summary>Whether the claim was given back.</summary>
    public bool Disposed { get; private set; }

    public bool Enabled
    {
        get => _enabled;
        set
        {
            if (_enabled != value)
            {
                _enabled = value;
                Remap();
            }
        }
    }

    public bool Move(ulong address)
    {
        Unmap();
        lock (Owner.Gate)
        {
            First = address;
        }

        return !_enabled || Remap();
    }

    /// <summary>Puts a claim of a restored VM where it was.</summary>
    /// <returns>False when it was mapped and cannot be here.</returns>
    public bool Place(ulong first, bool enabled, bool mapped)
    {
        First = first;
        _enabled = enabled;
        return !mapped || Map();
    }

    /// <summary>Takes the claim out of the table, as a step of restoring.</summary>
    public void TakeOut() => Unmap();

    public void Dispose()
    {
        Unmap();

        // The gate is free once the access under way has finished.
        lock (Owner.Gate)
        {
            Disposed = true;
        }
    }

    public bool Overlaps(RegionClaim other) => First <= other.Last && other.First <= Last;

    /// <summary>
    /// Whether an access may reach the registers; asked under the gate. A look-up that raced with <see cref="Move"/> or
    /// <see cref="Dispose"/> finds nothing there any more.
    /// </summary>
    protected bool Answers(ulong address, int width) =>
        !Owner.Faulted && !Disposed && address >= First && address - First <= Length - (ulong)width;

    /// <summary>Name, owner and range for messages.</summary>
    public string Describe(string unit) => $"{Owner} region '{Name}' at {unit} 0x{First:x}-0x{Last:x}";

    protected abstract bool Map();

    protected abstract void Unmap();

    private bool Remap()
    {
        Unmap();
        return Disposed || !_enabled || Map();
    }
}
